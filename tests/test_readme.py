"""README and docs: their commands exist and run, their tables and pictures are current, their Python works."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from example_run import write_example_run
from fresh import run_fresh

from bench import cli

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text()
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
RECORDS = Path("results/records")
CI = (PROJECT / ".ci" / "run").read_text()


def blocks(language, text):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def shell_commands():
    return sorted({line for page in PAGES for block in blocks("sh", page.read_text()) for line in block.splitlines()})


def makefile_targets():
    (targets,) = re.findall(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text(), re.M)
    return targets.split()


RUN_BY_A_TEST = {
    "make clean",  # test_make_clean_keeps_results
    "make bench",  # the same command as with QUICK=1, only longer
    "make test-gpuarray",  # what it builds and finds is tested on fakes; its tests need PoCL from a distribution
    "pytest bench/harness/bench_epoch.py --backend theano --device cpu",  # test_the_harnesses_run_by_hand
}


@pytest.mark.parametrize("command", shell_commands())
def test_every_command_is_run_by_ci_or_a_test(command):
    if re.match(r"(python -m bench|git) bisect", command):
        return  # on small repositories, by test_bisect_command.py
    assert command in CI or command in RUN_BY_A_TEST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_option_and_link_of_a_page_exists(page):
    text = page.read_text()
    for command, rest in re.findall(r"python -m bench ([a-z]+)([^`\n]*)", text):
        assert command in cli.COMMANDS
        own, _, of_run = rest.partition(" -- ")  # of fleet
        for name, options in ((command, own), ("run", f" {of_run}")):
            known = {option for parameter in cli.main.get_command(None, name).params for option in parameter.opts}
            assert set(re.findall(r"(?<= )--[a-z-]+", options)) <= known | {"--help"}, name
    for target in re.findall(r"make ([a-z-]+)(?=[`\s])", " ".join(re.findall(r"`[^`]+`", text))):
        assert target in makefile_targets(), target
    for link in re.findall(r"\]\(([^)#:]+)\)|srcset=\"([^\"]+)\"|src=\"([^\"]+)\"", text):
        assert (page.parent / "".join(link)).exists(), link


def test_the_readme_is_read_in_five_minutes():
    assert len(README.split()) <= 900


def test_every_make_target_is_explained_by_help():
    makefile = (PROJECT / "Makefile").read_text()
    for target in makefile_targets():
        assert target in ("help", "check", "FORCE") or f'"make {target}' in makefile  # check is gate's older name


def test_make_clean_keeps_results(tmp_path):
    shutil.copy(PROJECT / "Makefile", tmp_path)
    for name in (".venv/bin/python", "results/runs/a/run.json", "mlp/__pycache__/x.pyc"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "mlp", "results"]
    assert (tmp_path / "results/runs/a/run.json").exists()
    assert not (tmp_path / "mlp/__pycache__").exists()


@pytest.mark.slow
def test_the_harnesses_run_by_hand(tmp_path):
    """With the NumPy backend, so that nothing has to be compiled; CI runs them all with Theano."""
    argv = [sys.executable, "-m", "pytest", "bench/harness/bench_epoch.py", "--backend", "numpy", "--variant"]
    argv += ["float32", "--quick", "-k", "test_train_epoch", "-p", "no:cacheprovider"]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "test_train_epoch" in done.stdout


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    code = "import small_workload\n" + blocks("python", README)[0]
    done = run_fresh(code, folder=tmp_path, PYTHONPATH=f"{PROJECT}{os.pathsep}{PROJECT / 'tests'}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Epoch 1 of 1 took" in done.stdout
    assert "Final results in" in done.stdout


@pytest.mark.slow
def test_tables_and_pictures_are_those_of_the_newest_records(monkeypatch):
    from tools.readme import generated

    monkeypatch.chdir(PROJECT)
    for path, text in generated(RECORDS).items():
        assert path.read_text() == text, f"{path}: run python -m tools.readme"


@pytest.mark.slow
def test_the_first_screen_is_that_of_the_newest_record(monkeypatch):
    from tools.pictures import FIRST_SCREEN, digest_of_picture, first_screen_digest
    from tools.readme import newest_record

    monkeypatch.chdir(PROJECT)
    digest = first_screen_digest(newest_record(RECORDS))
    assert {digest_of_picture(path) for path in FIRST_SCREEN.values()} == {digest}, "run python -m tools.readme"
    assert all(path.stat().st_size < 150_000 for path in Path("docs/images").iterdir())


@pytest.mark.slow
def test_the_gpu_table_says_how_much_was_measured(monkeypatch):
    """By hand, from the replicates: one process of each row and one seed of three, although jax/scan has two rows."""
    from tools.readme import gpu_block, gpu_records

    monkeypatch.chdir(PROJECT)
    text = gpu_block(gpu_records(RECORDS))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "2026-11-26-28" in line]
    rows = [row for row in cells if len(row) == 8]
    assert len(rows) == 11 and {row[2] for row in rows} == {"1"}
    (published,) = [row for row in rows if row[0] == "theano/as_published on cuda"]
    assert published[4:7] == ["11.7 s", "1", "98.28 %"]
    assert [row[5] for row in rows].count("1") == 3
    assert "2.75 times as fast as the 2016 reference" in text and "a first look and not for a claim" in text


def test_a_readme_without_marks_is_refused():
    from bench.errors import BenchError
    from tools.readme import with_block

    for name in ("results", "gpu"):
        with pytest.raises(BenchError, match=f"no <!-- {name}:begin -->.*two marks"):
            with_block("# Title\n", name, "table")


def test_the_gpu_records_are_those_of_the_newest_commit_on_its_machine(tmp_path):
    from bench.errors import BenchError
    from bench.measure.case import Case, PlannedCase
    from tools.readme import gpu_records

    def record(machine, run_id, commit, device="cuda"):
        plan = [asdict(PlannedCase(Case("epoch", "jax", "scan", device, 2, "mnist"), 1, 60, 1))]
        more = {"started_at": f"2026-01-{run_id}T00:00:00+00:00", "commit": {"id": commit, "dirty": False}}
        return write_example_run(tmp_path / machine, [], run_id=run_id, plan=plan, **more)

    record("b", "09", "new", device="cpu")
    with pytest.raises(BenchError, match="no record of a run on a GPU"):
        gpu_records(tmp_path)
    record("b", "04", "new")
    record("a", "01", "old")
    second, first = record("a", "06", "new"), record("a", "05", "new")
    assert gpu_records(tmp_path) == [first, second]


def test_a_record_without_reference_runs_does_not_answer(tmp_path):
    from bench.errors import BenchError
    from bench.measure.case import Case, PlannedCase
    from tools.readme import newest_record

    def record(harness, day):
        case = Case(harness, "theano", "as_published", "cpu", 2, "mnist")
        plan = [asdict(PlannedCase(case, 1, 60, 1))]
        started_at = f"2026-01-{day}T00:00:00+00:00"
        return write_example_run(tmp_path / "machine", [], run_id=harness, started_at=started_at, plan=plan)

    record("epoch", day=20)
    with pytest.raises(BenchError, match="holds no records of the reference run"):
        newest_record(tmp_path)
    answer = record("reference", day=10)
    assert newest_record(tmp_path) == answer


def test_the_guide_to_the_tuning_names_every_optimization():
    from mlp.backends.theano.tuned.optimizations import NAMES

    page = (PROJECT / "docs" / "tuned.md").read_text(encoding="utf-8")
    table = page.partition("## Optimizations")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(NAMES)
