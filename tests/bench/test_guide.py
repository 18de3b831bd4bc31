"""The code of the guides runs as it stands there, and the frame of operations is what it says."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from example_run import replicates, write_example_run

import bench
from bench.errors import RecordError, RecordWarning
from bench.records.columns import OPERATIONS, names
from bench.records.profile import Operation, Profile, Timing
from bench.records.profile_file import save

PROJECT = Path(__file__).resolve().parents[2]


def cells(name):
    return re.findall(r"^```python\n(.*?)^```", (PROJECT / name).read_text(), re.M | re.S)


def example_profile(profile_id, variant="as_published"):
    stack = {"backend": "theano", "variant": variant, "device": "cpu", "precision": "float32"}
    operations = (
        Operation("train_step", "Dot22(images, W1)", "gemm", 1.0, 0.002, 3.92e8, 4.1e6, ((500, 784), (784, 500))),
        Operation("train_step", "host", "host", 1.0, 0.0005),
    )
    timings = {"train_step": Timing((0.0024, 0.0025), (0.0025, 0.0026), 20)}
    about = {
        "recipe": {"layer_widths": [784, 10], "batch_size": 500},
        "threads": 2,
        "dataset": "mnist",
        "machine": {},
        "commit": {},
    }
    return Profile(profile_id, "2026-01-02T03:04:05+00:00", stack, **about, timings=timings, operations=operations)


def write_profile(folder, profile):
    path = folder / profile.profile_id / profile.stack["variant"]
    path.mkdir(parents=True)
    save(profile, path / "profile.json")
    return path


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A working folder with the committed records, a run and a profile."""
    shutil.copytree(PROJECT / "results" / "records", tmp_path / "results" / "records")
    write_example_run(tmp_path / "results" / "runs", replicates())
    write_profile(tmp_path / "results" / "profiles", example_profile("20260102-030405-0123456"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def values_of(code, namespace):
    """Run a cell as a notebook does; returns the value of its last line."""
    import ast

    *body, last = ast.parse(code).body
    exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)


def test_the_notebook_of_the_results_readme_runs_cell_by_cell(clone):
    namespace = {}
    shown = [values_of(code, namespace) for code in cells("results/README.md")]
    assert len(shown) >= 5
    assert all(len(value) > 0 for value in shown)
    # The answers are those of the report, e.g. the canonical stack's training epoch of the newest record.
    epochs = shown[1]["median"]
    found = epochs.xs(("theano", "as_published", "cpu"), level=("backend", "variant", "device"))
    assert found["20261124-221456-7b3b1d4"] == pytest.approx(1.86, abs=0.005)


def test_what_the_readme_says_about_frames_runs(clone):
    found = [code for code in cells("docs/python.md") if "bench.load_" in code]
    assert found
    namespace = {}
    for code in found:
        exec(code, namespace)
    assert isinstance(namespace["runs"].samples, pd.DataFrame)


def test_the_readmes_example_merges_no_processes_of_several_runs_or_devices(clone):
    (code,) = [code for code in cells("docs/python.md") if "bench.load_runs" in code]
    namespace = {}
    exec(code.replace("results/runs", "results/records/amd-epyc-2-cores"), namespace)
    replicates = [
        json.loads(path.read_text()) for path in clone.glob("results/records/amd-epyc-2-cores/*/replicates/*.json")
    ]
    measured = [one for one in replicates if any(found["name"] == "train_epoch" for found in one["measurements"])]
    assert len(namespace["per_process"]) == len(measured)
    assert namespace["per_process"].index.names == ["run_id", "backend", "variant", "device", "process"]


def test_operations_of_several_profiles_share_a_frame(tmp_path):
    for variant in ("as_published", "tuned"):
        write_profile(tmp_path, example_profile("20260102-030405-0123456", variant))
    operations = bench.load_operations(tmp_path)
    assert list(operations.columns) == names(OPERATIONS)
    assert operations.groupby("variant", observed=True).size().to_dict() == {"as_published": 2, "tuned": 2}
    assert isinstance(operations["kind"].dtype, pd.CategoricalDtype)
    gemm = operations[operations["kind"] == "gemm"].iloc[0]
    assert gemm["flop_per_second"] == pytest.approx(3.92e8 / 0.002)
    assert operations[operations["kind"] == "host"][["flop", "bytes", "source"]].isna().all(axis=None)


def test_a_damaged_profile_is_left_out_by_name(tmp_path):
    path = write_profile(tmp_path, example_profile("one"))
    (write_profile(tmp_path, example_profile("two")) / "profile.json").write_text('{"schema_version": ')
    with pytest.warns(RecordWarning, match=r"left out: .*two.* is damaged"):
        operations = bench.load_operations(tmp_path)
    assert set(operations["profile_id"]) == {"one"}
    assert len(bench.load_operations(path)) == len(bench.load_operations(path / "profile.json")) == 2


@pytest.mark.parametrize("exists", [True, False])
def test_no_profiles_is_one_sentence(tmp_path, exists):
    with pytest.raises(RecordError, match="holds no profiles: make one with python -m bench profile"):
        bench.load_operations(tmp_path if exists else tmp_path / "nowhere")
