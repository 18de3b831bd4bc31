"""Checks in processes of their own: the command, its exit codes, crashes, time limits, and no rank in a report."""

import json

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.measure.case import Stack
from bench.measure.conformance import check
from bench.measure.conformance.judge import CLAUSES, ClauseState
from bench.measure.process import ProcessResult
from bench.records.header import Conformance

FAKE = Stack("fake", "float64", "cpu", "float64")


def conform(*arguments):
    return CliRunner().invoke(main, ["conform", *arguments])


@pytest.fixture
def process(plugin, monkeypatch):
    """``process(ended, lines)``: a worker that writes ``lines`` and ends as told; no process is started."""

    def process(ended, lines=()):
        plugin("fake")

        def run(argv, variables, limit_seconds, folder):
            (folder / "clauses.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
            return ended

        monkeypatch.setattr(check, "run_to_end", run)

    return process


def lines(state="holds", detail="1 check"):
    return [{"clause": one.name, "title": one.title, "state": state, "detail": detail} for one in CLAUSES]


def test_a_backend_whose_clauses_hold_conforms(process):
    process(ProcessResult(0, None, "", 1.0), lines())
    done = conform("fake-plugin", "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    assert found["conforms"] and found["plugin"]["distribution"] == "fake-plugin"
    told = []
    stacks = [FAKE, Stack("numpy", "float32", "cpu")]
    assert check.check_plugins(stacks, 1, tell=told.append) == (Conformance("fake", "float64", "cpu"),)
    assert told == ["checking if fake/float64 on cpu conforms, before anything is measured"]


def test_a_violated_clause_fails_with_its_reason(process):
    process(ProcessResult(0, None, "", 1.0), [*lines()[1:], {**lines("violated", "off by 3")[0], "cause": "a bug"}])
    done = conform("fake")
    assert done.exit_code == 1 and "fake/float64 on cpu does not conform" in done.stdout
    (found,) = check.check_plugins([FAKE], 1)
    assert found.reason == "outputs are the oracle's: off by 3, likely because a bug"


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (ProcessResult(None, "it hung: no end within its limit of 5 s, so it was stopped", "", 5.0), "it hung: no end"),
        (ProcessResult(-11, None, "", 1.0), "it crashed (SIGSEGV)"),
        (ProcessResult(1, None, "ImportError: No module named 'tensors'", 1.0), "No module named 'tensors'"),
    ],
)
def test_what_comes_after_a_crash_or_the_time_limit_is_not_judged(process, ended, reason):
    process(ended, lines()[:3])
    found = check.check(FAKE, 1, limit_seconds=5)
    assert [one.state for one in found.results[:3]] == [ClauseState.HOLDS] * 3
    assert reason in found.results[3].detail and "(not judged)" in found.reason
    assert len(found.results) == len(CLAUSES) and len(found.failed) == len(CLAUSES) - 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "give the NAME of a backend, or --new FOLDER"),
        (("tensorlib",), "tensorlib is neither a backend nor an installed package that declares one"),
        (("fake", "--variant", "fast"), "backend fake has no variant 'fast'"),
        (("fake", "--device", "cuda"), "fake cannot be checked on cuda"),
        (("fake", "--device", "gpu"), "unknown device 'gpu'"),
        (("fake", "--limit", "0"), "--limit and --threads must be greater than 0"),
        (("fake", "--threads", "9999"), "--threads 9999 is more than the"),
        (("numpy-plugin",), "backend numpy of numpy-plugin 1.0 is not used: numpy is built in."),
    ],
)
def test_bad_input_is_one_sentence(plugin, arguments, sentence):
    plugin("fake")
    plugin("numpy")
    done = conform(*arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_clause_that_is_slower_than_its_share_is_not_judged_and_the_others_are(plugin):
    slow = "def predict(self, images):\n    import time\n    time.sleep(60)"
    folder = plugin("fake", slow)
    done = conform("fake", "--limit", "12", "--env", f"PYTHONPATH={folder}", "--json")
    assert done.exit_code == 1
    (found,) = json.loads(done.stdout)
    states = {one["clause"]: (one["state"], one["detail"]) for one in found["clauses"]}
    assert states["outputs"] == ("not judged", "it took longer than 3 s, a quarter of --limit")
    assert states["fifty_steps"][0] == states["bad_input"][0] == "holds"


@pytest.mark.slow
def test_the_whole_suite_passes_in_a_process(plugin):
    folder = plugin("fake")
    done = conform("fake", "--env", f"PYTHONPATH={folder}")
    assert done.exit_code == 0, done.output
    assert "fake/float64 on cpu conforms" in done.stdout
