"""The report of a bisection names the culprits, says how sure it is, and where to go on."""

import json

import pytest

from bench.gate.bisect.commits import CommitInfo, CommitRange
from bench.gate.bisect.report import Bisection, headline, probable, progress_line, sections, to_json, to_log
from bench.gate.verdict import Metric
from bench.gate.verdict.bisection.model import MeasuredBlock
from bench.gate.verdict.bisection.posterior import Inference
from bench.gate.verdict.bisection.search import Culprit, Outcome, SearchResult

IDS = tuple(letter * 40 for letter in "abcde")
INFOS = {one: CommitInfo(one, one[:7], "2026-11-26", "t", ("f" * 40,), f"change {one[0]}") for one in IDS}
MERGE = CommitInfo(IDS[2], IDS[2][:7], "2026-11-26", "t", ("f" * 40, "9" * 40), "Merge branch")


def inference(level, *between, skipped=()):
    found = Inference(4, 0.01)
    found.skipped |= set(skipped)
    for block in [(0, 4, 0, 4)] * 3 + [(0, 4, one) for one in between] * 3:
        noise = (0.001, -0.001, 0.0005, 0.0)
        found.add(MeasuredBlock(block, tuple(level(p) + n for p, n in zip(block, noise, strict=False))))
    return found.posterior()


def bisection(posterior, outcome, steps, infos=INFOS, failures=None, probability=0.995):
    result = SearchResult(outcome, steps, probability, posterior, "the reason")
    return Bisection(
        CommitRange("v1", "main", IDS, 9), infos, Metric("train_epoch"), result, failures or {}, 12, 40, 90.0, 0.99
    )


@pytest.fixture
def culprit():
    posterior = inference(lambda p: 0.05 * (p >= 2), 1, 2)
    return bisection(posterior, Outcome.CULPRIT, (Culprit((2,), 1.05),), INFOS | {IDS[2]: MERGE})


def test_the_culprit_its_ratio_and_the_way_into_a_merge_are_named(culprit):
    assert headline(culprit) == "train_epoch: culprit (99.5 %): ccccccc (Merge branch)"
    result, most_probable = sections(culprit)
    text = " ".join(result.sentences)
    assert "9 commits from aaaaaaa (change a) to main, along first parents; 4 of them change mlp/" in text
    assert "1.050 times the base" in text and "git merge-base ffffffffffff 999999999999" in text
    assert most_probable.rows[0][0] == "ccccccc" and most_probable.rows[0][-1] > 0.99
    assert culprit.exit_code == 0


def test_the_log_states_what_is_known_at_the_confidence(culprit):
    lines = to_log(culprit, ["block 1"]).splitlines()
    assert lines[0] == "# block 1"
    assert f"git bisect start '{IDS[4]}' '{IDS[0]}'" in lines
    assert f"git bisect good {IDS[1]}" in lines and f"git bisect bad {IDS[2]}" in lines
    assert lines[-1] == "# first bad commit: ccccccc (Merge branch)"


def test_json_has_the_commits_in_full(culprit):
    found = json.loads(json.dumps(to_json(culprit)))
    assert found["steps"] == [{"commits": [IDS[2]], "ratio_to_parent": 1.05}] and found["exit_code"] == 0
    assert found["most_probable"][0]["commits"] == [[IDS[2]]]


def test_a_group_two_steps_no_step_and_undecided_have_a_line_and_an_exit_code_each():
    posterior = inference(lambda p: 0.05 * (p >= 3), 1, 3, skipped=(2,))
    group = bisection(posterior, Outcome.CULPRIT, (Culprit((2, 3)),), failures={2: "why"})
    assert "one of 2 commits that cannot be told apart: ccccccc (change c), ddddddd" in headline(group)
    assert sections(group)[-1].rows == [[2, "ccccccc (change c)", "why"]]
    assert f"git bisect skip {IDS[2]}" in to_log(group, [])
    two = bisection(
        inference(lambda p: 0.05 * ((p >= 1) + (p >= 3)), 1, 2, 3), Outcome.TWO_STEPS, (Culprit((1,)), Culprit((3,)))
    )
    assert headline(two) == "train_epoch: two steps (99.5 %): bbbbbbb (change b); and ddddddd (change d)"
    assert two.exit_code == 0 and "not confirmed" in " ".join(sections(two)[0].sentences)
    assert probable(two.result.posterior)[0][0] == ((1,), (3,))
    none = bisection(inference(lambda p: 0.0), Outcome.NO_STEP, ())
    assert headline(none) == "train_epoch: no step from v1 to main (99.5 %)" and none.exit_code == 1
    assert "git bisect start" not in to_log(none, [])
    open_ = bisection(inference(lambda p: 0.05 * (p >= 2)), Outcome.UNDECIDED, ())
    line = "train_epoch: undecided, the reason; the most probable is one of 4 commits up to eeeeeee (change e) (8"
    assert headline(open_).startswith(line) and open_.exit_code == 4


def test_progress_is_one_line(culprit):
    assert progress_line(culprit.result.posterior, "abcde").endswith("in c")
    assert "in b to e, 4 commits" in progress_line(Inference(4, 0.01).posterior(), "abcde")
