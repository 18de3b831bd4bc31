"""Everything that is written: whole or not at all, and what is no regular file is never replaced."""

import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.errors import RecordError
from bench.records import files
from bench.records.run_folder import sources_of


@pytest.fixture(autouse=True)
def nothing_partial_is_left(tmp_path):
    yield
    assert not list(tmp_path.rglob("*.partial"))


def refuses(monkeypatch, name, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, refuse)


def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.write(tmp_path / "new", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_file_keeps_its_mode(tmp_path, mode):
    (tmp_path / "old").write_text("a longer text")
    (tmp_path / "old").chmod(mode)
    files.write(tmp_path / "old", b"new")
    assert (tmp_path / "old").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == mode


def test_a_link_is_followed_to_the_file_that_it_names_or_would_name(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(Path("folder") / "file")
    for text in ("new", "newer"):
        files.check({"--output": tmp_path / "one"})
        files.write(tmp_path / "one", text)
        assert (tmp_path / "one").is_symlink() and (tmp_path / "two").is_symlink()
        assert (tmp_path / "folder" / "file").read_text() == text


def test_a_pipe_is_written_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    files.check({"--output": tmp_path / "pipe"})
    reader.start()
    files.write(tmp_path / "pipe", "text")
    reader.join(30)
    assert got == [b"text"]
    assert (tmp_path / "pipe").is_fifo()


def test_a_socket_is_written_and_stays(tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        files.write(tmp_path / "socket", "text")
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(100) == b"text"
    assert (tmp_path / "socket").is_socket()


def test_a_device_is_written_and_stays():
    files.check({"--output": "/dev/null"})
    files.write("/dev/null", "text")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(RecordError, match=r"cannot write /dev/full \(No space left on device\): name another place"):
        files.write("/dev/full", "text")


def test_a_full_disk_behind_stdout_fails_once_and_not_again_when_python_ends():
    with open("/dev/full", "w") as full:
        code = "from bench.records import files; files.write('-', 'text')"
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(
        "bench.errors.RecordError: cannot write stdout"
    )


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_stdout_gets_the_bytes_of_the_file(capfdbinary, name):
    assert files.check({"--json": name, "--csv": None})
    files.write(name, "12 \N{MICRO SIGN}s\n")
    assert capfdbinary.readouterr().out == b"12 \xc2\xb5s\n"


def test_a_redirected_stdout_is_not_replaced(tmp_path):
    code = "from bench.records.files import write as w; print('before'); w('/dev/stdout', 'text'); w('/dev/fd/1', '2')"
    with open(tmp_path / "out", "w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before\ntext2"


def test_two_outputs_need_two_targets(tmp_path):
    with pytest.raises(RecordError, match="--json and --csv both name -: give each a file of its own"):
        files.check({"--json": "-", "--csv": "-"})
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(RecordError, match="--json and --csv both name"):
        files.check({"--json": tmp_path / "a", "--csv": tmp_path / "link"})


@pytest.mark.parametrize("target", ["read.json", "link", "run/run.json", "run/replicates/0001.json"])
def test_what_is_read_is_no_target(tmp_path, target):
    (tmp_path / "link").symlink_to("read.json")
    (tmp_path / "run" / "replicates").mkdir(parents=True)
    sources = [*sources_of(tmp_path / "run"), *sources_of(tmp_path / "read.json")]
    files.check({"--json": tmp_path / "run" / "comparison.json"}, sources)
    with pytest.raises(RecordError, match=f"--json names .*{target}, which is read: name another file"):
        files.check({"--json": tmp_path / target}, sources)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere/file", "No such file or directory"),
        (".", "Is a directory"),
        ("file/below", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_a_target_that_cannot_be_written_is_one_sentence_before_and_after(tmp_path, target, reason):
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RecordError, match=rf"cannot write .* \({reason}\): name another file with --json\."):
        files.check({"--json": tmp_path / target})
    with pytest.raises(RecordError, match=rf"cannot write .* \({reason}\): free space\."):
        files.write(tmp_path / target, "text", "free space")


def test_a_folder_that_takes_no_file_is_refused_before(tmp_path, monkeypatch):
    refuses(monkeypatch, "open", errno.EROFS)
    with pytest.raises(RecordError, match="Read-only file system"):
        files.check({"--json": tmp_path / "new"})


def test_a_file_in_a_folder_that_takes_no_other_is_overwritten(tmp_path, monkeypatch):
    (tmp_path / "old").write_text("a longer text")
    refuses(monkeypatch, "open", errno.EACCES)
    files.check({"--json": tmp_path / "old"})
    files.write(tmp_path / "old", "new")
    assert (tmp_path / "old").read_text() == "new"


def test_a_file_that_is_mounted_alone_is_overwritten(tmp_path, monkeypatch):
    (tmp_path / "old").write_text("a longer text")
    refuses(monkeypatch, "replace", errno.EBUSY)
    files.write(tmp_path / "old", "new")
    assert (tmp_path / "old").read_text() == "new"


@pytest.mark.parametrize("name", ["fsync", "fchmod"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_modes_or_flushing_is_a_notice(tmp_path, monkeypatch, capsys, name, number):
    (tmp_path / "old").write_text("old")
    (tmp_path / "old").chmod(0o600)
    monkeypatch.setattr(files, "_noticed", set())
    refuses(monkeypatch, name, number)
    for text in ("new", "newer"):
        files.write(tmp_path / "old", text)
    assert (tmp_path / "old").read_text() == "newer"
    assert capsys.readouterr().err.count("notice: the file system of") == 1


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "old").write_text("old")
    refuses(monkeypatch, "fsync", errno.ENOSPC)
    with pytest.raises(RecordError, match="No space left on device"):
        files.write(tmp_path / "old", "new")
    assert (tmp_path / "old").read_text() == "old"


def test_text_that_is_no_unicode_is_written(tmp_path):
    files.write(tmp_path / "file", "\udcff\ud800")
    assert (tmp_path / "file").read_bytes() == b"\xff?"


def test_folders_and_files_of_one_second_get_names_of_their_own(tmp_path):
    names = [files.new_folder(tmp_path / "runs" / "20260102-030405-0123456").name for _ in range(3)]
    assert names == ["20260102-030405-0123456", "20260102-030405-0123456-2", "20260102-030405-0123456-3"]
    assert [files.new_file(tmp_path / "a.json").name for _ in range(2)] == ["a.json", "a-2.json"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_a_file_that_cannot_be_replaced_is_overwritten(tmp_path, monkeypatch, code):
    """In a sticky folder, another user's file that everybody may write."""
    path = tmp_path / "theirs.json"
    path.write_text("a long old text")

    def refuse(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", refuse)
    files.write(path, "new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["theirs.json"]
