"""Two fingerprints of one machine, and of two."""

import pytest

from bench.records.comparability import contradictions, identity

FACTS = {
    "cpu_model": "Example CPU @ 3.50GHz",
    "l1d_bytes": 32 * 2**10,
    "usable_cores": 2,
    "memory_bytes": 25_276_502_016,
    "gpus": [{"name": "Example GPU", "driver": "550.1"}],
    "packages": {"numpy": "2.0.0"},
    "os": "Linux 6.1",
    "load_average_1min": 0.25,
}


def test_a_machine_is_itself_after_an_update_and_under_another_load():
    later = {**FACTS, "packages": {"numpy": "2.4.6"}, "os": "Linux 6.18", "load_average_1min": 9.0}
    assert contradictions(identity(FACTS), identity(later)) == []


def test_a_kernel_that_reports_some_pages_less_is_no_other_machine():
    """As two kernels did on one machine: 25,276,502,016 and 25,276,510,208 bytes."""
    assert contradictions(identity(FACTS), identity({**FACTS, "memory_bytes": 25_276_510_208})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu_model", "Another CPU"),
        ("l1d_bytes", 48 * 2**10),
        ("usable_cores", 4),
        ("memory_bytes", 2 * 25_276_502_016),
        ("gpus", []),
        ("gpus", [{"name": "Another GPU"}]),
    ],
)
def test_other_hardware_is_another_machine(name, value):
    assert contradictions(identity(FACTS), identity({**FACTS, name: value})) == [name]


def test_what_an_older_record_does_not_tell_contradicts_nothing():
    old = {"cpu_model": FACTS["cpu_model"], "numa_nodes": None}
    assert contradictions(identity(old), identity({**FACTS, "numa_nodes": 2})) == []
    assert "numa_nodes" not in identity(old)


@pytest.mark.parametrize("name, same", [("AMD EPYC", True), ("AMD EPYC (family 25 model 17)", False)])
def test_the_numbers_of_a_cpu_tell_generations_apart_where_both_records_have_them(name, same):
    now = {**FACTS, "cpu_model": "AMD EPYC (family 26 model 2)"}
    assert (contradictions(identity({**FACTS, "cpu_model": name}), identity(now)) == []) == same
