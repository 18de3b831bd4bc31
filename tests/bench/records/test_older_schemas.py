"""Files of older schema versions read like current ones."""

import json

import pandas as pd
import pytest
from example_run import replicates, write_example_run

import bench
from bench.gate import run_file
from bench.records.older_schemas import current_gate_run
from bench.records.run_folder import SCHEMA_VERSION, RunFolder


def test_a_run_of_schema_4_has_the_frames_of_its_rewrite_in_schema_5(tmp_path):
    new = [{**one, "round": number} for number, one in enumerate(replicates())]
    old = [{("replicate" if name == "round" else name): value for name, value in one.items()} for one in new]
    runs = [
        bench.load_runs(write_example_run(tmp_path / name, found, schema_version=version))
        for name, found, version in (("old", old, 4), ("new", new, 5))
    ]
    for name in ("samples", "phases", "epochs", "results", "timeline", "processes"):
        pd.testing.assert_frame_equal(getattr(runs[0], name), getattr(runs[1], name))
    assert list(runs[0].processes["round"]) == list(range(len(old)))


def test_a_resumed_run_of_an_older_schema_becomes_one_of_the_current_schema(tmp_path):
    path = write_example_run(tmp_path, replicates(), schema_version=4)
    RunFolder.open(path).update_header(status="running")
    assert RunFolder.open(path).header.schema_version == SCHEMA_VERSION


@pytest.mark.parametrize(
    ("old", "new"),
    [("validation_epoch", "validate_epoch"), ("train_step_500", "train_step"), ("train_step_1", "train_step_1")],
)
def test_a_gate_run_of_schema_1_has_the_current_names(tmp_path, old, new):
    turn = {"measure": old, "round": 0, "seat": 0, "t_start_seconds": 0.0, "value": 1.0}
    block = {"number": 0, "kind": "comparison", "seats": [{"role": "A", "seed": 1}], "turns": [turn], "seconds": 1.0}
    metric = {"name": old, "unit": "seconds", "effect": 0.1}
    path = tmp_path / "x-gate.json"
    path.write_text(json.dumps({"gate_schema_version": 1, "metrics": [metric], "blocks": [block]}))
    _, (metric,), (block,) = run_file.read_run(path)
    assert (metric.name, block.turns[0].measure, block.turns[0].slot) == (new, new, 0)


@pytest.mark.parametrize("content", [{}, {"metrics": None, "blocks": 3}, {"blocks": [None, {}, {"turns": [[], {}]}]}])
def test_malformed_parts_are_left_to_the_validation(content):
    assert current_gate_run(content) == content
