"""The command fleet refuses bad input before a process is started."""

import json
import sys

import pytest

HOSTS = "[[host]]\naddress = 'somewhere'\npython = 'python3'\n"


@pytest.fixture
def hosts(tmp_path):
    path = tmp_path / "hosts.toml"
    path.write_text(HOSTS)
    return path


def test_without_dask_one_sentence_names_the_command_that_adds_it(invoke, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    result = invoke("fleet", "--local", 2)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "make .venv/installed-fleet adds it" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name the hosts in one way: a hosts file, --local N or --scheduler ADDRESS"),
        (["--local", 2, "--scheduler", "tls://a:1"], "name the hosts in one way"),
        (["--local", 2, "--", "--resume", "latest"], "--resume cannot be given to the hosts"),
        (["--local", 2, "--", "--runs-dir=x"], "--runs-dir=x cannot be given to the hosts"),
        (["--local", 2, "--", "--fast"], "No such option"),
        (["--local", 2, "--baseline", "/nowhere.json"], "the baseline /nowhere.json cannot be read"),
    ],
)
def test_bad_input_is_refused(invoke, arguments, sentence):
    result = invoke("fleet", *arguments)
    assert result.exit_code == 2 and sentence in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("content", ["[]", "{", '{"fleet_id": 3}', ""])
def test_a_file_that_is_no_baseline_is_refused(invoke, tmp_path, content):
    path = tmp_path / "healthy.json"
    path.write_text(content)
    result = invoke("fleet", "--local", 2, "--baseline", path)
    assert result.exit_code == 2 and "is not a baseline of a fleet" in result.stderr


@pytest.mark.slow
def test_what_needs_dask_is_refused_as_well(invoke, hosts, tmp_path):
    pytest.importorskip("distributed", reason="Dask is not installed: make .venv/installed-fleet adds it")
    result = invoke("fleet", "--scheduler", "head:8786")
    assert "is not an address of Dask: it begins with tls:// or tcp://" in result.stderr
    result = invoke("fleet", hosts, "--resume", tmp_path)
    assert result.exit_code == 2 and "is not a fleet run, it has no fleet.json" in result.stderr
    (tmp_path / "fleet.json").write_text(json.dumps({"fleet_id": "x", "source": "hosts"}))
    result = invoke("fleet", hosts, "--resume", tmp_path)
    assert result.exit_code == 2 and "is damaged" in result.stderr
    hosts.write_text("")
    assert "names no host" in invoke("fleet", hosts).stderr


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_one_sentence(invoke, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed: make .venv/installed-fleet adds it")
    from bench.measure.fleet import engine

    monkeypatch.setattr(engine, "CONNECT_LIMIT_SECONDS", 0.3)
    result = invoke("fleet", "--scheduler", "tcp://127.0.0.1:1", "--output", tmp_path)
    assert result.exit_code == 2
    assert "error: the scheduler tcp://127.0.0.1:1 cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []  # nothing to report or to continue
