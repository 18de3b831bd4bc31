"""``python -m bench bisect`` on real processes of a toy repository."""

import json
import subprocess

import pytest
import repositories
import toy_project
from click.testing import CliRunner

from bench import cli

SLOW = "STEP_SECONDS = 0.006"


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


@pytest.fixture
def history(tmp_path):
    """Seven commits of which the fifth is slow, the fourth cannot be imported, and the second changes no code."""
    made = toy_project.make(tmp_path / "project")
    ids = [repositories.git(made, "rev-parse", "HEAD")]
    for files in (
        {"README": "words"},
        backend(0.002, "a"),
        {"mlp/training.py": "import a_package_that_is_not_there\n"},
        {**backend(0.006, "b"), "mlp/training.py": toy_project.FILES["mlp/training.py"]},
        backend(0.006, "c"),
        backend(0.006, "d"),
    ):
        ids.append(repositories.commit(made, files))
    return ids


@pytest.mark.slow
def test_the_culprit_is_found_beside_a_commit_that_cannot_be_imported(bisect, history, tmp_path):
    outputs = {name: tmp_path / name for name in ("json", "markdown", "log")}
    arguments = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    result = bisect(history[0], "main", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(outputs["json"].read_text())
    assert found["outcome"] == "culprit"
    assert found["steps"][0]["commits"] == history[3:5]  # the slow one, and the one before it, which is broken
    assert found["steps"][0]["ratio_to_parent"] > 1.5
    assert list(found["not_measurable"]) == [history[3]]
    assert "a_package_that_is_not_there" in found["not_measurable"][history[3]]
    assert history[1] not in found["commits"]
    log = tmp_path / "log"
    argv = ["git", "-C", tmp_path / "project", "bisect", "replay", log]
    replayed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    assert "The first bad commit could be any of" in replayed and history[3] in replayed and history[5] not in replayed
    assert "# first bad commit: one of 2 commits" in log.read_text()
    kept = next((tmp_path / "runs").glob("*-bisect.json"))
    again = bisect("--resume", kept, "--json", "-")
    assert json.loads(again.stdout)["steps"][0]["commits"] == history[3:5]
