"""CPU facts, read from a folder that stands in for a machine's root."""

import pytest
from fakes import write

from bench.machine import cpu

CPU = "sys/devices/system/cpu"


def test_a_server_is_described(tmp_path):
    cpuinfo = "model name\t: Example CPU\nmicrocode\t: 0x2b\nflags\t\t: fpu sse4_2 avx avx2\n\nprocessor\t: 1"
    write(tmp_path, {"proc/cpuinfo": cpuinfo, f"{CPU}/smt/control": "on"})
    write(tmp_path, {f"{CPU}/cpu0/cpufreq/scaling_governor": "performance", f"{CPU}/intel_pstate/no_turbo": 0})
    caches = [(1, "Data", "48K"), (1, "Instruction", "32K"), (2, "Unified", "2048K"), (3, "Unified", "105M")]
    for index, (level, kind, size) in enumerate(caches):
        folder = f"{CPU}/cpu0/cache/index{index}"
        write(tmp_path, {f"{folder}/level": level, f"{folder}/type": kind, f"{folder}/size": size})
    write(tmp_path, {f"sys/devices/system/node/node{node}/cpulist": "0-3" for node in (0, 1)})
    found = cpu.facts(tmp_path)
    expected = {
        "cpu_model": "Example CPU",
        "simd": "avx2",
        "l1d_bytes": 48 * 2**10,
        "l2_bytes": 2 * 2**20,
        "l3_bytes": 105 * 2**20,
        "numa_nodes": 2,
        "smt": "on",
        "turbo": True,
        "governor": "performance",
        "microcode": "0x2b",
        "hypervisor": False,
    }
    assert {name: found[name] for name in expected} == expected


def test_what_a_system_does_not_tell_is_none(tmp_path):
    found = cpu.facts(tmp_path)
    unknown = ("simd", "l1d_bytes", "l3_bytes", "numa_nodes", "smt", "turbo", "governor", "microcode", "hypervisor")
    assert {found[name] for name in unknown} == {None}


@pytest.mark.parametrize(
    ("file", "content", "turbo"),
    [
        ("intel_pstate/no_turbo", 1, False),
        ("intel_pstate/no_turbo", 0, True),
        ("cpufreq/boost", 1, True),
        ("cpufreq/boost", 0, False),
    ],
)
def test_turbo_is_a_switch_against_it_or_one_for_it(tmp_path, file, content, turbo):
    write(tmp_path, {f"{CPU}/{file}": content})
    assert cpu.facts(tmp_path)["turbo"] is turbo


def test_an_arm_cpu_has_a_simd_level_too(tmp_path):
    write(tmp_path, {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd sve"})
    assert cpu.facts(tmp_path)["simd"] == "sve"


def test_an_arm_cpu_without_a_name_is_told_from_others_by_its_numbers(tmp_path, monkeypatch):
    """/proc/cpuinfo of a Neoverse N1: without a name a record could not enter the board, nor be a baseline."""
    monkeypatch.setattr(cpu.platform, "processor", lambda: "aarch64")
    write(tmp_path, {"proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU variant\t: 0x3\nCPU part\t: 0xd0c"})
    assert cpu.facts(tmp_path)["cpu_model"] == "Arm, implementer 0x41, part 0xd0c"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("AMD EPYC", "AMD EPYC (family 26 model 2)"),  # as a cloud calls Zen 4 and Zen 5
        ("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", "Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz"),
    ],
)
def test_a_name_of_several_generations_gets_family_and_model(tmp_path, name, shown):
    write(tmp_path, {"proc/cpuinfo": f"cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: {name}\n"})
    assert cpu.facts(tmp_path)["cpu_model"] == shown
