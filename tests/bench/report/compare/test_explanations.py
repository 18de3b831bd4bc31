"""A change of code or versions is named before the machine, and credited to none."""

import json
from pathlib import Path

import pytest
from example_run import case, header, measurement, replicate, write_example_run

from bench.report.compare.comparison import compare
from bench.report.compare.runs import comparable_run
from bench.report.compare.sections import comparison_sections, headline
from bench.report.compare.tables import to_csv, to_json

RECORDS = Path(__file__).parents[4] / "results" / "records" / "amd-epyc-2-cores"
PUBLISHED, TUNED = "theano/as_published on cpu", "theano/tuned on cpu"


@pytest.fixture
def side(tmp_path):
    """Make a side from {variant: (code, seconds of an epoch)}."""

    def make(name, codes, **changes):
        epochs = [
            {
                **replicate(case("epoch", variant=variant), [measurement("train_epoch", [seconds])]),
                "round": number,
                "code": code,
            }
            for variant, (code, seconds) in codes.items()
            for number in range(3)
        ]
        return comparable_run(write_example_run(tmp_path, epochs, run_id=name, **changes), name)

    return make


def test_a_stack_whose_code_changed_is_in_no_score(side):
    base = side("a", {"as_published": ("11", 2.0), "tuned": ("22", 1.0)})
    other = side("b", {"as_published": ("11", 1.9), "tuned": ("33", 0.5)}, commit={"id": "fedcba9876", "dirty": False})
    found = compare(base, [other])
    score = found.score("b")
    assert score.stacks == (PUBLISHED,)
    assert score.speed.center == pytest.approx(2.0 / 1.9)
    assert headline(found).startswith(f"The code of {TUNED} changed between these runs (0123456..fedcba9). By ")
    assert len(found.ratios) == 2  # measured is measured: the ratio is shown, and marked
    (rows,) = [section.rows for section in comparison_sections(found) if "phase by phase" in section.title]
    assert [(row[0], row[-1]) for row in rows] == [(PUBLISHED, None), (TUNED, "changed")]
    assert to_csv(found).splitlines()[2].endswith(",changed")
    assert json.loads(json.dumps(to_json(found)))["explanations"][0]["kind"] == "code"


def test_without_a_stack_of_equal_code_there_is_no_score(side):
    found = compare(side("a", {"tuned": ("22", 1.0)}), [side("b", {"tuned": ("33", 0.5)})])
    assert found.scores == []
    why = "no stack is known to have run the same code in all runs, so there is no score."
    assert headline(found).endswith(f"b against a: {why}")


def test_versions_threads_and_mode_are_named_before_the_score(side):
    machine = header()["machine"]
    machine = {**machine, "packages": {**machine["packages"], "theano": "1.0.6"}}
    found = compare(
        side("a", {"tuned": ("22", 1.0)}), [side("b", {"tuned": ("22", 0.5)}, machine=machine, mode="quick")]
    )
    start, _, score = headline(found).partition(" By ")
    assert start == f"Also different: theano 1.0.5, then 1.0.6 ({TUNED}); one run is full, the other quick."
    assert "2.00 times as fast" in score


def test_equal_code_and_versions_need_no_explanation(side):
    found = compare(side("a", {"tuned": ("22", 1.0)}), [side("b", {"tuned": ("22", 0.5)})])
    assert found.explanations == []
    assert headline(found).startswith("By train_epoch, b is 2.00 times")


def test_of_many_runs_the_headline_counts_and_rows_are_marked(side):
    codes = {"a": "22", "b": "22", "c": "33", "d": "22"}
    base, *others = [side(name, {"tuned": (code, 0.5)}) for name, code in codes.items()]
    found = compare(base, others)
    assert headline(found).startswith("1 of 3 runs differ in code, versions or settings from the base. ")
    assert "c (code changed)" in str([section.rows for section in comparison_sections(found)])


def test_two_records_of_one_machine_and_different_commits_do_not_make_it_faster():
    old, new = (comparable_run(RECORDS / name, name) for name in ("2026-11-24-7b3b1d4", "2026-11-25-1a42118"))
    found = compare(old, [new])
    assert found.scores == []
    assert "may have changed between these runs (7b3b1d4..1a42118)" in headline(found)
    assert "times as fast" not in headline(found)
