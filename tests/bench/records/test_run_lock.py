"""A run is measured by one process at a time, and the lock of one that is gone stops none."""

import json
import os
import subprocess
import sys
import time

import pytest

from bench.errors import RecordError
from bench.records import owner, run_lock
from bench.records.owner import Owner


def test_a_run_that_is_being_measured_is_refused_by_process_and_age(tmp_path):
    with run_lock.held(tmp_path):
        os.utime(tmp_path / run_lock.NAME, (time.time() - 150, time.time() - 150))
        with pytest.raises(RecordError, match=rf"being measured by process {os.getpid()}, which began 2\.5 min ago"):
            with run_lock.held(tmp_path):
                pass
        assert (tmp_path / run_lock.NAME).exists()
    assert not list(tmp_path.iterdir())


def test_the_lock_goes_with_an_interruption(tmp_path):
    with pytest.raises(KeyboardInterrupt), run_lock.held(tmp_path):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    code = "import os, sys; from pathlib import Path; from bench.records.run_lock import held\n"
    code += "with held(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    assert (tmp_path / run_lock.NAME).exists()
    with run_lock.held(tmp_path):
        assert Owner.from_json((tmp_path / run_lock.NAME).read_text()) == Owner.current()
    assert not list(tmp_path.iterdir())


def test_a_lock_from_before_the_last_boot_is_taken_over(tmp_path):
    lock = json.loads(Owner.current().to_json()) | {"boot": "another"}
    (tmp_path / run_lock.NAME).write_text(json.dumps(lock))
    with run_lock.held(tmp_path):
        pass


def test_the_lock_of_another_host_is_called_that_with_its_age_and_what_to_delete(tmp_path, monkeypatch):
    (tmp_path / run_lock.NAME).write_text(Owner.current().to_json())
    monkeypatch.setattr(owner, "_host", lambda: "another")
    expected = rf"on another host, or in another container, since .*: .* delete {tmp_path}/{run_lock.NAME}"
    with pytest.raises(RecordError, match=expected), run_lock.held(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": "x"}'])
def test_a_lock_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / run_lock.NAME).write_text(text)
    with pytest.raises(RecordError, match=r"has an unreadable lock: .* delete"), run_lock.held(tmp_path):
        pass


def test_of_two_that_take_over_one_stale_lock_one_is_refused(tmp_path, monkeypatch):
    stale = json.dumps(json.loads(Owner.current().to_json()) | {"boot": "another"})
    (tmp_path / run_lock.NAME).write_text(stale)
    taken = Owner.current().to_json()
    life = Owner.life

    def other_was_faster(self):
        (tmp_path / run_lock.NAME).write_text(taken)
        return life(self)

    monkeypatch.setattr(Owner, "life", other_was_faster)
    with pytest.raises(RecordError, match="is being measured by process"), run_lock.held(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [run_lock.NAME]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(RecordError, match=r"cannot write .*lock\.json \(No such file or directory\)"):
        with run_lock.held(tmp_path / "nowhere"):
            pass
