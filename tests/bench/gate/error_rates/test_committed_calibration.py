"""The calibrations in results/calibration: what the gate quotes beside its verdicts on the machines they are of."""

from pathlib import Path

import pytest

from bench.gate.error_rates.calibration import latest_calibration, read_calibration

PROJECT = Path(__file__).resolve().parents[4]
FOLDER = PROJECT / "results" / "calibration"
FILES = sorted(FOLDER.glob("*/*.json"))


def test_there_is_one():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_committed_calibration_can_be_read_and_is_found_by_its_machine(path):
    calibration = read_calibration(path)
    assert calibration.machine == path.parent.name
    assert calibration.environment["dataset"] == "mnist"
    assert calibration.environment["dirty"] is False
    assert latest_calibration(calibration.machine, [FOLDER]).date >= calibration.date


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_committed_calibration_ran_the_base_against_itself_and_what_matters(path):
    rows = {(row.kind, row.inject): row for row in read_calibration(path).rows}
    assert rows.keys() >= {("seconds", 1.0), ("seconds", 1.05), ("seconds", 1.10), ("bytes", 1.05)}
    assert all(row.runs >= 3 for row in rows.values())


def test_the_readme_says_what_the_newest_calibration_found():
    rows = max(map(read_calibration, FILES), key=lambda calibration: calibration.date).rows
    said = " ".join((PROJECT / "docs" / "gate.md").read_text().split())
    assert sum(row.false_alarms for row in rows) == 0
    assert f"it gave no false alarm in {sum(row.runs for row in rows)} runs" in said
    large = [row for row in rows if row.inject >= 1.05]
    assert all(row.found == row.runs for row in large)
    assert f"of 5, 10 and 20 % in all {sum(row.runs for row in large)} of theirs" in said
