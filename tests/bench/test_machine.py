"""The fingerprint: complete, JSON-ready, free of names and paths, and None where nothing is known."""

import getpass
import json
import socket
import subprocess

import pytest

from bench import machine


@pytest.fixture(scope="module")
def fingerprint():
    return machine.fingerprint()


def test_it_is_json_and_names_what_decides_speed(fingerprint):
    again = json.loads(json.dumps(fingerprint, allow_nan=False))
    assert again == fingerprint
    assert {"cpu_model", "usable_cores", "memory_bytes", "compiler", "gpus", "packages"} <= set(fingerprint)
    assert fingerprint["memory_bytes"] > 2**27
    assert fingerprint["packages"]["theano"] == "1.0.5"


def test_it_tells_nobody_whose_machine_it_is(fingerprint):
    text = json.dumps({key: value for key, value in fingerprint.items() if key not in {"os", "cpu_model"}})
    assert socket.gethostname() not in text
    assert f"/{getpass.getuser()}/" not in text


def test_an_unknown_package_has_no_version():
    assert machine.package_version("a-package-nobody-has-installed") is None


def test_without_nvidia_smi_there_are_no_gpus(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpus() == []
    assert machine.compiler_version() is None


def test_gpus_are_read_with_units_and_unknowns_are_none(monkeypatch):
    listing = "NVIDIA H200, 570.1, 143771, 700.00, 5\nOld GPU, 390.1, 4036, [N/A], [N/A]\n"
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, stdout=listing))
    first, second = machine.gpus()
    assert first["memory_bytes"] == 143771 * 2**20
    assert first["power_limit_watts"] == 700.0
    assert second["power_limit_watts"] is None
    assert second["pcie_generation"] is None


def test_a_cgroup_quota_limits_the_usable_cores(monkeypatch):
    monkeypatch.setattr(machine, "_read_sys", lambda path: "150000 100000" if "cpu.max" in str(path) else None)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert machine.usable_cores() == 2
    monkeypatch.setattr(machine, "_read_sys", lambda path: "max 100000")
    assert machine.usable_cores() == 8


def test_outside_a_repository_there_is_no_commit(tmp_path):
    assert machine.commit(tmp_path) == {"id": None, "dirty": None}


def test_a_changed_file_makes_the_commit_dirty(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("one")
    git("add", ".")
    git("commit", "-m", "one")
    clean = machine.commit(tmp_path)
    assert len(clean["id"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "file").write_text("two")
    assert machine.commit(tmp_path)["dirty"] is True
