"""Recorded facts of a process: its imported packages and loaded libraries."""

import json
import sys

import numpy
from example_run import case, replicate, run_header

from bench.measure.case import Case
from bench.measure.environment import build
from bench.measure.facts import process_facts
from bench.measure.process import run_to_end
from bench.records.comparison_key import comparison_keys
from bench.report.run.processes import loaded_libraries, measured_packages, process_notices, tuning_parameters
from mlp import registry

HOST = Case("data", None, None, "cpu", 1, "mnist")


def test_a_process_tells_the_versions_that_it_imported_and_the_kernels_of_its_blas():
    variables = build(HOST, None)
    told = json.loads(run_to_end([sys.executable, "-m", "bench.measure.facts"], variables, 120).text)
    assert told["packages"]["numpy"] == numpy.__version__
    assert all(library["library"] and library["threads"] == 1 for library in told["libraries"])


def test_another_numpy_on_a_path_that_is_passed_is_told(tmp_path):
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("__version__ = '0.1'\n")
    (tmp_path / "scipy" / "linalg").mkdir(parents=True)
    (tmp_path / "scipy" / "__init__.py").write_text("")
    (tmp_path / "scipy" / "linalg" / "__init__.py").write_text("")
    variables = build(HOST, None, {"PYTHONPATH": str(tmp_path)})
    told = json.loads(run_to_end([sys.executable, "-m", "bench.measure.facts"], variables, 120).text)
    assert told["packages"] == {"numpy": "0.1"}


def test_a_process_tells_where_its_plugin_came_from(plugin):
    """The comparison key follows the plugin's source and version, and the packages that its entry names."""
    folder = plugin("fake")
    assert "plugins" not in process_facts()
    registry.entry("fake")
    (first,) = process_facts()["plugins"]
    assert {name: first[name] for name in ("backend", "distribution", "version", "packages", "uses_blas")} == {
        "backend": "fake",
        "distribution": "fake-plugin",
        "version": "1.0",
        "packages": ["numpy"],
        "uses_blas": False,
    }
    source = folder / "fake_plugin.py"
    source.write_text(source.read_text() + "# a comment\n")
    assert process_facts()["plugins"] == [first]
    source.write_text(source.read_text() + "SPEED = 2\n")
    (second,) = process_facts()["plugins"]
    assert second["code"] != first["code"]

    def key(told, code="aa"):
        facts = {"backend": "fake", "packages": {"numpy": "2.4.6", "scipy": "1.11"}, "libraries": [], "plugins": [told]}
        entry = {**replicate(case("epoch", backend="fake", variant="float64"), []), "code": code}
        return comparison_keys(run_header(processes=[facts]), [entry])["fake/float64 on cpu"]

    assert key(first).versions == {"fake-plugin": "1.0", "numpy": "2.4.6"}
    assert key(first).has_code_of(key(first)) and not key(first).has_code_of(key(second))


def process(backend, numpy_version, architecture):
    library = {"library": "scipy.libs/libopenblas.so", "api": "blas", "version": "0.3.30", "architecture": architecture}
    return {"backend": backend, "packages": {"numpy": numpy_version}, "libraries": [library]}


def test_processes_unlike_the_plan_or_unlike_each_other_are_notices():
    processes = [process("theano", "2.4.6", "Zen"), process("jax", "2.3.5", "Prescott")]
    run = run_header(machine={"packages": {"numpy": "2.4.6"}}, processes=processes)
    first, second = process_notices(run)
    assert "jax ran with numpy 2.3.5" in first and "2.4.6" in first
    assert "0.3.30 Zen in theano, 0.3.30 Prescott in jax" in second
    assert measured_packages(run) == {}
    assert len(loaded_libraries(run)) == 2


def test_processes_as_planned_are_no_notice():
    processes = [process("theano", "2.4.6", "Zen"), process(None, "2.4.6", "Zen")]
    run = run_header(machine={"packages": {"numpy": "2.4.6"}}, processes=processes)
    assert process_notices(run) == []
    assert process_notices(run_header()) == []
    assert measured_packages(run) == {"numpy": "2.4.6"}
    assert loaded_libraries(run) == ["scipy.libs/libopenblas.so (0.3.30 Zen)"]


def test_tuning_parameters_are_told_where_tuned_was_compiled_and_named_once(monkeypatch):
    from bench.measure.facts import process_facts
    from mlp.backends.theano.tuned import tuning

    monkeypatch.setattr(tuning, "_in_use", [])
    assert "tuning" not in process_facts()
    tuning.use(tuning.TuningParameters(2, {"weights_2": tuning.DENSE}))
    told = process_facts()["tuning"]
    assert told["parameters"] == "threads=2,weights_2=dense"
    header = run_header(processes=[{**process("theano", "2.1", "Zen"), "tuning": one} for one in (told, told, None)])
    assert tuning_parameters(header) == [f"threads=2,weights_2=dense ({told['instruction_set']})"]
