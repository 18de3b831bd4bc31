"""The tree is the data flow: what may be imported from where, read from the source and not by importing it."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
FRAMEWORKS = {"theano", "lasagne", "pytensor", "jax", "torch"}
# Right of the wall that `results/` is: files, pandas and arithmetic only.
READING = (
    "record",
    "find",
    "shape",
    "csv_cells",
    "moments",
    "json_file",
    "paths",
    "datasets",
    "blocks",
    "wellformed",
    "frames",
    "stack_key",
    "stats",
    "samples",
    "workload",
    "ceilings",
    "speed_of_light",
    "ranking",
    "crossover",
    "convergence",
    "units",
    "errors",
    "report",
    "render",
    "verdict",
    "gate/config",
    "gate/measures",
    "gate/block",
    "gate/live",
    "gate/drift",
    "compare",
    "export",
    "readme",
    "same_machine",
    "history",
    "profile/attainable",
    "profile/belongs",
    "profile/breakdown",
    "profile/data",
    "profile/diff",
    "profile/findings",
    "profile/host",
    "profile/operations",
    "profile/outputs",
    "profile/roofline",
    "profile/rules",
    "profile/storage",
    "profile/table",
    "profile/trace",
)
# Of mlp, these are facts and words, not execution.
MLP_FACTS = {"mlp.recipe", "mlp.errors"}


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno}: imports here are absolute"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((PROJECT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", sources("mlp"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_mlp_never_imports_bench(path):
    assert not {name for name in imported_modules(path) if name.split(".")[0] == "bench"}


def reading_modules() -> list[Path]:
    """Each of READING: a file, or every file of a package."""
    files = [path for name in READING if (path := PROJECT / "bench" / f"{name}.py").exists()]
    return files + [path for name in READING for path in sorted((PROJECT / "bench" / name).rglob("*.py"))]


@pytest.mark.parametrize("path", reading_modules(), ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_reads_records_needs_no_framework_and_no_worker(path):
    imports = imported_modules(path)
    assert not {name for name in imports if name.split(".")[0] in FRAMEWORKS}
    from_mlp = {name for name in imports if name.split(".")[0] == "mlp"}
    assert {".".join(name.split(".")[:2]) for name in from_mlp} <= MLP_FACTS
    assert not {
        name for name in imports if name.startswith(("bench.measure.runner", "bench.measure.worker", "bench.harness"))
    }


def test_the_reading_side_is_not_empty():
    found = {path.relative_to(PROJECT).as_posix() for path in reading_modules()}
    assert {
        "bench/records/run_folder.py",
        "bench/records/frames.py",
        "bench/stats/estimates.py",
        "bench/report/run/ranking.py",
    } <= found


@pytest.mark.parametrize("path", sources("mlp", "bench"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_only_backends_and_the_canonical_file_import_theano(path):
    allowed = {"mlp/canonical.py", "mlp/backends/theano/published.py", "mlp/backends/theano/clock.py"}
    allowed.add("bench/measure/frameworks/theano/profiler.py")
    relative = path.relative_to(PROJECT).as_posix()
    folders = ("mlp/theano_compat/", "mlp/theano_fast/", "mlp/backends/theano/tuned/")
    if relative in allowed or relative.startswith(folders):
        return
    assert not {name for name in imported_modules(path) if name.split(".")[0] in {"theano", "lasagne"}}


@pytest.mark.parametrize("path", sources("mlp", "bench"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_only_its_backend_imports_pytensor(path):
    if path.relative_to(PROJECT).as_posix().startswith(("mlp/backends/pytensor", "bench/measure/profiling/pytensor")):
        return
    assert not {name for name in imported_modules(path) if name.split(".")[0] == "pytensor"}


def test_importing_the_package_starts_no_framework():
    import subprocess
    import sys

    code = "import sys, mlp, bench; print(sorted({'theano', 'lasagne', 'pytensor', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_importing_the_report_draws_nothing_yet():
    import subprocess
    import sys

    code = "import sys, bench.report.write; print({'matplotlib', 'plotly'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
