"""``python -m bench bisect`` on real processes of a toy repository."""

import json
import shutil
import subprocess

import pytest
import repositories
import toy_project
from click.testing import CliRunner

from bench import cli

# Ten times the toy's own: what a busy machine adds to a sleep is never taken for a step of its own.
SLOW_SECONDS = 0.02


def backend(seconds, extra=""):
    text = toy_project.FILES["mlp/backends/__init__.py"].replace("STEP_SECONDS = 0.002", f"STEP_SECONDS = {seconds}")
    return {"mlp/backends/__init__.py": f"{text}\n# {extra}\n"}


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    yield
    assert not list((tmp_path / "scratch").iterdir())


@pytest.fixture
def bisect(tmp_path, monkeypatch, scratch):
    def invoke(*arguments):
        monkeypatch.setattr(cli, "console", cli.Console(soft_wrap=True, width=300))
        monkeypatch.setattr(cli, "errors", cli.Console(stderr=True, soft_wrap=True, width=300))
        options = ["--backend", "numpy", "--runs-dir", tmp_path / "runs", "--repository", tmp_path / "project"]
        result = CliRunner().invoke(cli.main, ["bisect", *map(str, [*options, *arguments])])
        assert "Traceback" not in result.output and not isinstance(result.exception, (TypeError, KeyError))
        return result

    return invoke


@pytest.fixture(scope="module")
def made_history(tmp_path_factory):
    """A repository with six commits: the fifth is slow, the fourth cannot be compiled, the second changes no code."""
    made = toy_project.make(tmp_path_factory.mktemp("history") / "project")
    ids = [repositories.git(made, "rev-parse", "HEAD")]
    for files in (
        {"README": "words"},
        backend(0.002, "a"),
        {"mlp/training.py": "import a_package_that_is_not_there\n"},
        {**backend(SLOW_SECONDS, "b"), "mlp/training.py": toy_project.FILES["mlp/training.py"]},
        backend(SLOW_SECONDS, "c"),
    ):
        ids.append(repositories.commit(made, files))
    return made, ids


@pytest.fixture
def history(made_history, tmp_path, monkeypatch):
    """The commits of a copy of that repository.  The toy needs no data, which would be identified first."""
    monkeypatch.delenv("MNIST_DIR", raising=False)
    made, ids = made_history
    shutil.copytree(made, tmp_path / "project")
    return ids


@pytest.mark.slow
def test_a_bisection_out_of_time_is_resumed_and_finds_the_culprit_beside_a_broken_commit(bisect, history, tmp_path):
    first = bisect(history[0], "main", "--budget", "0.1s")
    assert first.exit_code == cli.UNDECIDED, first.output
    kept = next((tmp_path / "runs").glob("*-bisect.json"))
    elsewhere = bisect("--resume", kept, "--repository", toy_project.make(tmp_path / "other"))
    assert elsewhere.exit_code == 2
    assert "name the repository that was searched with --repository" in elsewhere.output
    result = bisect("--resume", kept, "--json", "-", "--log", tmp_path / "log", "--markdown", tmp_path / "markdown")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["outcome"] == "culprit"
    assert found["steps"][0]["commits"] == history[3:5]  # the slow one, and the one before it, which is broken
    assert found["steps"][0]["ratio_to_parent"] > 1.5
    assert "a_package_that_is_not_there" in found["not_measurable"][history[3]]
    assert history[1] not in found["commits"]
    assert "one of 2 commits that cannot be told apart" in (tmp_path / "markdown").read_text()
    argv = ["git", "-C", tmp_path / "project", "bisect", "replay", tmp_path / "log"]
    replayed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    assert "The first bad commit could be any of" in replayed and history[3] in replayed and history[5] not in replayed
    assert json.loads(kept.read_text())["blocks"]


@pytest.mark.slow
def test_git_bisect_run_is_told_good_bad_or_skip(bisect, history, tmp_path):
    def judged(commit):
        repositories.git(tmp_path / "project", "checkout", "--quiet", commit)
        return bisect("--git-bisect-run", history[0], history[5])

    assert judged(history[4]).exit_code == 1
    assert judged(history[1]).exit_code == 0  # its code is that of the good end: nothing is measured
    skipped = judged(history[3])
    assert skipped.exit_code == 125 and "cannot be measured" in skipped.output
    assert bisect("--git-bisect-run", history[0], history[1]).exit_code == 128


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ((), 2, "name a good revision and a bad one"),
        (("main",), 2, "name a good revision and a bad one"),
        (("main", "main"), 2, "are the same commit"),
        (("main", "main~2"), 2, "main~2 is older than main: name the good revision first"),
        (("nowhere", "main"), 2, "unknown revision 'nowhere'"),
        (("main~5", "main~4"), 2, "changes mlp/"),
        (("main~5", "main", "--metric", "all"), 2, "one metric"),
        (("main~5", "main", "--metric", "speed"), 2, "unknown metric 'speed'"),
        (("main~5", "main", "--budget", "soon"), 2, "not a duration"),
        (("main~5", "main", "--effect", "-1"), 2, "positive fraction"),
        (("main~5", "main~2"), 3, "side "),
        (("main~5", "main", "--from-history"), 2, "leave them out"),
        (("--resume", "pyproject.toml"), 2, "cannot be read"),
        (("main~5", "main", "--git-bisect-run", "--budget", "soon"), 128, "not a duration"),
        (("--git-bisect-run",), 128, "needs the good and the bad revision"),
    ],
)
def test_bad_input_is_a_sentence_and_an_exit_code(bisect, history, tmp_path, arguments, code, sentence):
    result = bisect(*arguments)
    assert (result.exit_code, sentence in result.output) == (code, True), result.output
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True
