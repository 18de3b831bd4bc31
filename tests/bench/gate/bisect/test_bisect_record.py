"""The file of a bisection reads back as written, and a damaged or foreign one is a sentence."""

import json
from dataclasses import replace

import pytest

from bench.errors import BenchError, RecordError
from bench.gate.bisect.commits import CommitRange
from bench.gate.bisect.laboratory import values_at, values_of
from bench.gate.bisect.record import BisectionRecord, read_record, write_record
from bench.gate.block import Block, Slot, Turn
from bench.gate.verdict import Metric
from bench.measure.case import Stack

COMMITS = CommitRange("v1", "main", ("a" * 40, "b" * 40, "c" * 40), 5)
TURNS = tuple(
    Turn("train_epoch", number, slot, 0.5, 1.0 + slot / 4 if slot < 3 else None)
    for number in range(3)
    for slot in range(4)
)
BLOCK = Block(0, "bisection", tuple(Slot(one * 40, 7) for one in "cabc"), TURNS, 2.0)
RECORD = BisectionRecord(
    started_at="2026-11-26T10:00:00+00:00",
    commits=COMMITS,
    metric=Metric("train_epoch"),
    stack=Stack("numpy", "float32", "cpu"),
    threads=2,
    confidence=0.99,
    machine={"cpu_model": "x", "usable_cores": 2},
    dataset={"identity": "mnist", "sha256": {"a": "1"}},
    recipe={"batch_size": 500},
    failures={"b" * 40: "it does not compile"},
    blocks=(BLOCK,),
)


def test_a_record_reads_back(tmp_path):
    write_record(tmp_path / "one.json", RECORD)
    assert read_record(tmp_path / "one.json") == RECORD


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "mlp-bench bisection 9"}, "this version reads"),
        ({"commits": None}, "commits"),
        ({"confidence": 1.5}, "not a probability"),
        ({"commits": {"good": "v1", "bad": "main", "commits": ["a" * 40], "num_between": 1}}, "two commits or more"),
        ({"failures": {"d" * 40: "why"}}, "is not in its range"),
        ({"blocks": [{"number": 0}]}, r"blocks\[0\]|missing"),
    ],
)
def test_a_damaged_record_is_a_sentence(tmp_path, change, sentence):
    path = tmp_path / "one.json"
    write_record(path, RECORD)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=sentence):
        read_record(path)


def test_it_goes_on_only_with_the_same_machine_dataset_and_recipe():
    same = {"machine": RECORD.machine, "dataset": RECORD.dataset, "recipe": RECORD.recipe}
    RECORD.check_continues(**same)
    for name, other, sentence in (
        ("machine", {"cpu_model": "y"}, "its cpu_model is x, here is y"),
        ("dataset", {"sha256": {}}, "its dataset differs"),
        ("recipe", {"batch_size": 100}, "its recipe differs"),
    ):
        with pytest.raises(BenchError, match=sentence):
            RECORD.check_continues(**{**same, name: other})


def test_the_values_of_a_block_are_in_the_order_of_the_positions_that_were_asked_for():
    positions, values = values_of(BLOCK, "train_epoch", COMMITS)
    assert positions == (2, 0, 1, 2) and values[3] is None
    assert values[1] / values[0] == pytest.approx(1.25) and values[2] / values[0] == pytest.approx(1.5)
    assert values_at(BLOCK, "train_epoch", COMMITS, (0, 1, 2, 2)) == [values[1], values[2], values[0], None]


def test_a_block_of_the_gate_still_has_the_roles_of_the_gate():
    with pytest.raises(ValueError, match="has a process of"):
        replace(BLOCK, kind="comparison")
