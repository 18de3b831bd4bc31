"""The tree is the data flow: what may be imported from where, read from the source and not by importing it."""

import ast
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
FRAMEWORKS = {"theano", "lasagne", "pytensor", "jax", "torch"}
# The wall: what reads records imports nothing that measures, and of mlp facts and words only.
READING = ("records", "stats", "roofline", "document", "report", "gate/verdict")
MEASURING = ("measure", "machine", "harness", "gate", "cli")
MLP_FACTS = {"mlp.recipe", "mlp.errors"}
PUBLISHED = ("mlp/canonical.py", "mlp/theano_compat/", "mlp/theano_fast/")
LINKERS = ("mlp/backends/pytensor/", "bench/measure/frameworks/pytensor/")  # of PyTensor
ELSEWHERE = {"theano": PUBLISHED, "lasagne": PUBLISHED, "jax": LINKERS, "torch": LINKERS}


@cache
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


@pytest.mark.parametrize("room", READING)
def test_the_wall(room):
    files = sources(f"bench/{room}")
    assert files
    for path in files:
        imports = imported_modules(path)
        assert not {name for name in imports if name.split(".")[0] in FRAMEWORKS}, path
        from_mlp = {name for name in imports if name.split(".")[0] == "mlp"}
        assert {".".join(name.split(".")[:2]) for name in from_mlp} <= MLP_FACTS, path
        assert not {name for name in imports if _room(name) in MEASURING and _room(name) != room.partition("/")[0]}, (
            path
        )
        if room == "gate/verdict":
            inside = {name for name in imports if _room(name) == "gate"}
            assert all(name.startswith("bench.gate.verdict") for name in inside), path


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "bench" and len(parts) > 1 else None


def arrows(package: str) -> dict[str, set[str]]:
    """{module: modules of the package that it imports}, wherever in the file it does."""
    modules = {module_name(path): path for path in sources(package)}
    return {name: {one for one in imported_modules(path) if one in modules} - {name} for name, path in modules.items()}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("package", ["bench", "mlp"])
def test_no_module_imports_itself_through_others(package):
    """A package's ``__init__`` hands names on: importing one of its modules is no import of the others."""
    graph = arrows(package)
    for name, targets in graph.items():
        targets -= {one for one in targets if any(other.startswith(f"{one}.") for other in (*targets, name))}
    TopologicalSorter(graph).prepare()


def test_no_room_of_bench_is_above_and_below_another():
    rooms: dict[str, set[str]] = {}
    for name, targets in arrows("bench").items():
        if name != "bench":  # the front door, which hands out what lies in the rooms
            rooms.setdefault(_room(name), set()).update({_room(one) for one in targets} - {_room(name), None})
    TopologicalSorter(rooms).prepare()


def test_a_type_of_bench_is_defined_in_one_module_only():
    classes = [
        node.name
        for path in sources("bench")
        for node in ast.parse(path.read_text()).body
        if type(node) is ast.ClassDef
    ]
    assert [name for name, count in Counter(classes).items() if count > 1] == []


def test_bench_has_ten_rooms_and_six_small_files():
    entries = [entry for entry in (PROJECT / "bench").iterdir() if entry.name != "__pycache__"]
    assert sum(entry.is_dir() for entry in entries) <= 10
    assert sum(entry.is_file() for entry in entries) <= 6


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_a_framework_is_imported_in_its_own_folders_only(framework):
    name = "theano" if framework == "lasagne" else framework
    homes = [f"mlp/backends/{name}/", f"bench/measure/frameworks/{name}/", *ELSEWHERE.get(framework, ())]
    found = {
        path.relative_to(PROJECT).as_posix()
        for path in sources("mlp", "bench")
        if framework in {name.split(".")[0] for name in imported_modules(path)}
    }
    assert {file for file in found if not file.startswith(tuple(homes))} == set()


def test_importing_the_package_starts_no_framework():
    import subprocess
    import sys

    code = "import sys, mlp, bench; print(sorted({'theano', 'lasagne', 'pytensor', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_importing_the_report_draws_nothing_yet():
    """Nor does the gate need scipy.stats, which takes a second to import."""
    import subprocess
    import sys

    modules = "sys, bench.report.write, bench.gate.drift, bench.gate.verdict"
    code = f"import {modules}; print({{'matplotlib', 'plotly', 'scipy.stats'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
