"""The last line of `make gate` tells a script how the gate ended."""

import sys

import pytest

from bench import cli
from bench.gate.report import Exit
from tools import gate_exit_code


@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_the_last_line_holds_the_gates_exit_code_and_verdict(code, monkeypatch, tmp_path, capfd):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho the report of "$*"; exit {code}\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert gate_exit_code.main(["--budget", "5m"]) == code
    report, last = capfd.readouterr().out.splitlines()
    assert report == "the report of -m bench gate --budget 5m"
    assert last == f"gate: exit code {code} ({gate_exit_code.VERDICTS[code]})"


def test_a_gate_that_was_killed_says_so(monkeypatch, tmp_path, capfd):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -9 $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert gate_exit_code.main([]) == 137
    assert capfd.readouterr().out == "gate: exit code 137 (killed by SIGKILL)\n"


def test_every_way_in_which_the_gate_can_end_has_its_words():
    assert set(gate_exit_code.VERDICTS) == {*Exit, cli.BAD_INPUT, cli.INTERRUPTED} == set(cli.EXIT_CODES)
