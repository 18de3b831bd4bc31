"""The same verdicts as table, Markdown, JSON and JUnit XML; the kept run; and what is said beside them."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from bench.document.section import to_markdown
from bench.errors import RecordError
from bench.gate import run_file
from bench.gate.block import Block, SchedulerCounters, Slot, Turn
from bench.gate.emit import check_targets, emit
from bench.gate.live import GateOutcome
from bench.gate.outputs import sections, to_json, to_junit
from bench.gate.processes.sides import Side
from bench.gate.report import Exit, exit_code, headline, report_of, wait_sentences
from bench.gate.verdict import Decision, Judgement, Metric, Verdict
from bench.units import MISSING

STEP = Metric("train_epoch")
RED = Judgement(
    STEP, Verdict.REGRESSED, "1.100 times the base, and again", 1.1, 1.08, 1.12, 16, 4, 0.04, 1.0, 0.99, 1.01
)
GREEN = Judgement(Metric("load"), Verdict.UNCHANGED, "excluded", 1.0, 0.99, 1.01, 16)
OPEN = Judgement(Metric("peak_memory", "bytes"), Verdict.UNDECIDED, "neither | nor", 1.02, num_processes=4)
NONE = Judgement(Metric("train_loss", "loss"), Verdict.NOT_MEASURED, "the \x1b[31mcandidate\x00 was not measured")

SLOTS = (Slot("A", 1), Slot("B", 1, "it crashed (SIGSEGV)"))
BLOCK = Block(0, "comparison", SLOTS, (Turn("train_epoch", 0, 0, 0.5, 1.5),), 12.0)
BASE = Side("A", Path("/base"), "main", "5773bfb0", False)
TREE = Side("B", Path("/tree"), None, "f00dface", True)


def report(*judgements, undecided_passes=False, base=BASE, candidate=TREE, unfit=None, dataset="mnist"):
    outcome = GateOutcome(Decision(judgements, unfit, (), False), (BLOCK, BLOCK), 24.0)
    return report_of(outcome, (base, candidate), undecided_passes, ["More."], {"dataset": {"identity": dataset}})


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [("mnist", "Dataset: MNIST (verified by SHA-256)."), ("surrogate", "Dataset: SURROGATE, not MNIST.")],
)
def test_a_report_says_which_data_was_trained_on(identity, sentence):
    assert sentence in report(GREEN, dataset=identity).sentences


def test_a_report_says_why_git_does_not_tell_the_commit():
    unknown = Side("B", Path("/tree"), dirty=None, unknown_because="git refuses it: git config --add safe.directory x")
    assert "The commit of the working tree is unknown: git refuses it: git config --add safe.directory x" in (
        report(GREEN, candidate=unknown).sentences
    )


def test_the_headline_says_red_before_anything_else():
    assert headline(Decision((GREEN, OPEN, RED), None, (), False)) == (
        "regressed: train_epoch; undecided: peak_memory; unchanged: load"
    )


def test_a_small_change_that_is_shown_is_not_called_unchanged_and_passes():
    slower = replace(GREEN, metric=Metric("train_epoch"), ratio=1.035, low=1.025, high=1.043)
    told = report(GREEN, slower)
    assert told.exit_code is Exit.PASS
    assert told.headline == "unchanged: load; train_epoch: slower by 2.5 to 4.3 %, less than the 5.0 % that matters"
    verdicts, why = sections(told)
    assert [row[1] for row in verdicts.cells] == ["unchanged", "slower by less than 5.0 %"]
    assert len(why.sentences) == 1


@pytest.mark.parametrize(
    ("judgements", "strict", "lenient"),
    [
        ((GREEN,), Exit.PASS, Exit.PASS),
        ((GREEN, RED, OPEN, NONE), Exit.REGRESSED, Exit.REGRESSED),
        ((GREEN, OPEN), Exit.UNDECIDED, Exit.PASS),
        ((GREEN, NONE), Exit.UNDECIDED, Exit.PASS),
        ((NONE,), Exit.NOTHING_MEASURED, Exit.NOTHING_MEASURED),
        ((OPEN, NONE), Exit.UNDECIDED, Exit.PASS),
    ],
)
def test_exit_codes(judgements, strict, lenient):
    decision = Decision(judgements, None, (), False)
    assert exit_code(decision, undecided_passes=False) is strict
    assert exit_code(decision, undecided_passes=True) is lenient


def test_both_sides_are_named_with_commit_and_changes():
    first = report(RED).sentences[0]
    assert first == (
        "A, the base, is revision main (5773bfb); B, the candidate, is the working tree at f00dfac, with uncommitted "
        "changes."
    )


def test_sides_that_nothing_tells_apart_are_called_the_same():
    clean = replace(TREE, commit=BASE.commit, dirty=False)
    assert "Both sides are the same: all differences are noise." in report(GREEN, candidate=clean).sentences
    for other in (TREE, replace(clean, dirty=None), replace(clean, variables={"X": "1"}), replace(clean, slowdown=0.1)):
        assert "Both sides are the same: all differences are noise." not in report(GREEN, candidate=other).sentences


def test_failed_processes_are_counted_by_their_reason():
    assert "2 processes of B failed: it crashed (SIGSEGV)." in report(GREEN).sentences


def test_an_unfit_runner_is_said_with_its_numbers():
    assert (
        "This runner is unfit: load: base against base is 1.2."
        in report(OPEN, unfit="load: base against base is 1.2").sentences
    )


def test_the_table_shows_interval_processes_and_the_control():
    (verdicts, why) = sections(report(RED, GREEN))
    assert verdicts.cells[0] == [
        "train_epoch",
        "regressed",
        "1.100 times the base (1.080 to 1.120)",
        "16",
        "4.0 %",
        "1.000 times the base (0.990 to 1.010)",
    ]
    assert verdicts.cells[1][-1] == MISSING
    assert why.sentences == ["train_epoch: regressed: 1.100 times the base, and again."]


def test_markdown_is_safe_against_what_a_process_said():
    text = to_markdown("x", sections(report(NONE, OPEN)))
    assert "\x1b" not in text and "\x00" not in text
    assert "neither \\| nor" in text


def junit(*judgements, **options):
    suite = ElementTree.fromstring(to_junit(report(*judgements, **options)))
    tags = {case.get("name"): case[0].tag for case in suite if case.tag == "testcase"}
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    return tags, counts


def test_junit_fails_for_red_only_where_undecided_passes():
    tags, counts = junit(RED, GREEN, OPEN, NONE, undecided_passes=True)
    assert tags == {"train_epoch": "failure", "load": "system-out", "peak_memory": "skipped", "train_loss": "skipped"}
    assert counts == {"tests": 4, "failures": 1, "errors": 0, "skipped": 2}


def test_junit_agrees_with_an_exit_code_that_fails_for_undecided():
    tags, _ = junit(GREEN, OPEN, NONE)
    assert tags == {"load": "system-out", "peak_memory": "failure", "train_loss": "error"}


def test_json_has_the_units_and_the_numbers_as_they_are():
    said = json.loads(json.dumps(to_json(report(RED))))
    assert said["exit_code"] == 1 and said["dataset"] == {"identity": "mnist"}
    (judgement,) = said["judgements"]
    assert judgement["verdict"] == "regressed" and judgement["ratio"] == 1.1
    assert judgement["metric"] == {"name": "train_epoch", "unit": "seconds", "effect": 0.05}


def test_a_target_in_no_folder_is_refused_before_anything_is_measured(tmp_path):
    fine = {"json_path": "-", "junit": None, "markdown": tmp_path / "x.md"}
    check_targets(fine)
    for name in fine:
        with pytest.raises(RecordError, match=r"No such file or directory.*: name another file with --"):
            check_targets({**fine, name: tmp_path / "none" / "x"})


def test_a_kept_run_that_is_judged_again_is_no_target(tmp_path):
    kept = tmp_path / "kept.json"
    with pytest.raises(RecordError, match=r"--junit names .*kept\.json, which is read"):
        check_targets({"json_path": None, "junit": kept, "markdown": None, "again": kept})


def test_an_output_that_cannot_be_written_is_a_warning_naming_its_option(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary"))
    options = {"json_path": "-", "junit": tmp_path / "none" / "x.xml", "markdown": tmp_path / "x.md"}
    emit(report(RED), None, options)
    printed = capfd.readouterr()
    assert json.loads(printed.out)["exit_code"] == 1
    assert printed.err.count("warning: cannot write") == 2
    assert "with --junit." in printed.err and "with GITHUB_STEP_SUMMARY." in printed.err
    assert (tmp_path / "x.md").read_text().startswith("regressed")


def test_two_runs_of_one_second_are_both_kept(tmp_path):
    path = run_file.new_path(tmp_path / "runs", None)
    assert path.name.endswith("-nocommit-gate.json")
    written = [run_file.write_run(path, {"threads": number}, (STEP,), (BLOCK,)) for number in (1, 2)]
    assert [run_file.read_run(one)[0]["threads"] for one in written] == [1, 2]


def test_a_kept_run_is_read_as_it_was_written(tmp_path):
    path = run_file.new_path(tmp_path / "runs", "5773bfb0")
    assert path.name.endswith("-5773bfb-gate.json")
    run_file.write_run(path, {"threads": 2}, (STEP,), (BLOCK,))
    assert run_file.read_run(path) == ({"threads": 2}, (STEP,), (BLOCK,))
    text = path.read_text().replace('"gate_schema_version": 2', '"gate_schema_version": 1')
    path.write_text(text.replace('"slots"', '"seats"').replace('"slot"', '"seat"'))
    assert run_file.read_run(path) == ({"threads": 2}, (STEP,), (BLOCK,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"gate_schema_version": "1"}',
        '{"gate_schema_version": 1, "metrics": [{"name": "x", "unit": "furlongs", "effect": 0.1}], "blocks": []}',
        '{"gate_schema_version": 1, "metrics": [], "blocks": [{"number": 0}]}',
    ],
)
def test_a_damaged_kept_run_is_a_sentence(tmp_path, text):
    path = tmp_path / "x-gate.json"
    path.write_text(text)
    with pytest.raises(RecordError, match="is not a kept gate run, or damaged"):
        run_file.read_run(path)


def test_a_kept_run_of_the_future_asks_for_an_update(tmp_path):
    path = tmp_path / "x-gate.json"
    path.write_text('{"gate_schema_version": 99}')
    with pytest.raises(RecordError, match="update mlp-bench"):
        run_file.read_run(path)


@pytest.mark.parametrize(("wait", "said"), [(0.05, ["20 %"]), (0.005, []), (None, [])])
def test_waiting_for_a_core_is_said_if_it_is_noticeable(wait, said):
    turns = tuple(
        Turn("train_epoch", number, 0, 0.0, 0.1, None, SchedulerCounters(wait, wait, 1, 0.2, 0.0, 0.0))
        for number in (0, 1)
    )
    found = wait_sentences([Block(0, "comparison", (Slot("A", 1),), turns, 1.0)])
    assert [sentence.split(" in ")[1].split(" of")[0] for sentence in found] == said


def test_kept_runs_without_counters_say_nothing_of_waiting():
    turn = Turn("train_epoch", 0, 0, 0.0, 0.1)
    assert wait_sentences([Block(0, "comparison", (Slot("A", 1),), (turn,), 1.0)]) == []
