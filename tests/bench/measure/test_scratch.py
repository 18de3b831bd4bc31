"""Scratch folders go with their owner, or with the next command if it was killed."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from bench.errors import BenchError
from bench.measure import scratch
from bench.records import owner
from bench.records.owner import Life, Owner


def test_a_living_command_keeps_its_folder_while_another_cleans_up(tmp_path):
    with scratch.scratch_folder(tmp_path) as folder:
        assert scratch.remove_stale(tmp_path) == []
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.parametrize(("hours", "abandoned"), [(0, False), (1, True)])
def test_a_process_that_was_born_at_another_time_is_another(tmp_path, hours, abandoned):
    """Numbers of processes are used again; and the birth of a process is told a second off when the clock was set."""
    me = psutil.Process()
    folder = tmp_path / f"{scratch.PREFIX}x"
    folder.mkdir()
    owned = {"pid": me.pid, "created_seconds": me.create_time() + 1 - 3600 * hours}
    (folder / scratch.OWNER).write_text(json.dumps(owned))
    assert bool(scratch.remove_stale(tmp_path)) is abandoned


def test_a_living_command_keeps_its_folder_when_the_clock_is_set(tmp_path, monkeypatch):
    with scratch.scratch_folder(tmp_path):
        created, booted = psutil.Process().create_time(), psutil.boot_time()
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: created + 86400)
        monkeypatch.setattr(psutil, "boot_time", lambda: booted + 86400)
        assert scratch.remove_stale(tmp_path) == []


def test_without_proc_there_is_one_sentence(tmp_path, monkeypatch):
    def fail(self):
        raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil.Process, "create_time", fail)
    with pytest.raises(BenchError, match="mount /proc"), scratch.scratch_folder(tmp_path):
        pass


def test_the_folder_of_a_killed_command_is_removed_by_the_next(tmp_path):
    code = "import os, sys; from pathlib import Path; from bench.measure.scratch import scratch_folder\n"
    code += "with scratch_folder(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    with scratch.scratch_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder] != [left]


def test_the_temporary_files_of_a_killed_process_go_with_the_folder(tmp_path):
    code = "import os, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), 9)"
    with scratch.scratch_folder(tmp_path) as folder:
        subprocess.run([sys.executable, "-c", code], env=scratch.temporary_files_in(folder), check=False)
        assert len(list((folder / scratch.TEMPORARY).iterdir())) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x", "created_seconds": 0}', '{"pid": null}'])
def test_a_folder_without_a_readable_owner_is_left_alone(tmp_path, text):
    folder = tmp_path / f"{scratch.PREFIX}x"
    folder.mkdir()
    (folder / scratch.OWNER).write_text(text)
    assert scratch.remove_stale(tmp_path) == []


def test_a_missing_temporary_folder_is_one_sentence(tmp_path):
    with pytest.raises(BenchError, match=r"no scratch folder can be made in .*: free space there, or set TMPDIR"):
        with scratch.scratch_folder(tmp_path / "nowhere"):
            pass


def test_an_owner_is_known_by_host_boot_number_and_birth(monkeypatch):
    me = Owner.current()
    assert me == Owner.from_json(me.to_json()) and me.life() is Life.ALIVE
    monkeypatch.setattr(owner, "_boot", lambda: "another")
    assert me.life() is Life.GONE
    monkeypatch.setattr(owner, "_host", lambda: "another")
    assert me.life() is Life.ELSEWHERE


def test_a_process_that_ended_and_was_not_waited_for_is_gone():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owned = Owner(child.pid, psutil.Process(child.pid).create_time())
    assert owned.life() is Life.ALIVE
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert owned.life() is Life.GONE
    child.communicate()
    assert owned.life() is Life.GONE


def test_an_owner_names_no_host():
    assert os.uname().nodename not in Owner.current().to_json()
