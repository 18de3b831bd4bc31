"""Output to streams with a limited encoding or without a reader."""

import io
import os
import subprocess
import sys

import pytest

from bench.records.streams import never_fail, one_line
from bench.units import format_seconds

TEXT = "\u2013 789 \u00b5s 3\u00d74 caf\u00e9\u2026 \u2603"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"- 789 us 3x4 cafe... ?"),
        ("latin-1", b"- 789 \xb5s 3\xd74 caf\xe9... ?"),
        ("utf-8", TEXT.encode()),
        ("shift-jis", "- 789 us 3\u00d74 cafe\u2026 ?".encode("shift-jis")),
    ],
)
def test_signs_that_an_encoding_lacks_are_spelt_in_ascii(encoding, expected):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    never_fail(stream)
    stream.write(TEXT)
    stream.flush()
    assert stream.buffer.getvalue() == expected


def test_an_error_is_one_line_whatever_a_name_holds():
    assert one_line("a\nb \x1b[31m \u202e \u00b5 \udcff \\") == r"a\nb \x1b[31m \u202e" + " \u00b5 \udcff \\"


def test_a_name_that_is_no_text_is_printed_as_it_is():
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    never_fail(stream)
    stream.write("a\udcff")
    stream.flush()
    assert stream.buffer.getvalue() == b"a\xff"


def test_units_are_spelt_in_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    never_fail(stream)
    stream.write(format_seconds(0.000789))
    stream.flush()
    assert stream.buffer.getvalue() == b"789 us"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_every_command_prints_to_such_a_terminal(encoding):
    code = "from bench import cli; cli.console.print('\\u2013 \\u00b5s'); cli.warn('\\u2026'); cli.main(['--help'])"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"- ") and b"warning: ..." in done.stderr


@pytest.mark.slow
def test_a_full_disk_under_stdout_is_a_warning_and_the_command_goes_on(monkeypatch):
    code = "from bench import cli\nfor _ in range(3): cli.console.print('x' * 9999)\ncli.errors.print('went on')"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.count("warning: stdout cannot be written (No space left on device)") == 1
    assert done.stderr.endswith("went on\n")


def test_a_closed_stdout_costs_nothing_but_itself(tmp_path):
    code = "from bench import cli; cli.console.print('x'); open('file', 'w').write('y'); cli.errors.print('went on')"
    argv = f'exec {sys.executable} -c "{code}" >&-'
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(["sh", "-c", argv], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "went on\n"
    assert (tmp_path / "file").read_text() == "y"
