from dataclasses import replace

import pytest

from bench.errors import RecordError
from bench.gate.error_rates.calibration import (
    Calibration,
    CalibrationRow,
    calibration_sentence,
    latest_calibration,
    read_calibration,
    write_calibration,
)
from bench.stats.rate import Rate

CALIBRATION = Calibration(
    machine="some-cpu-2-cores",
    commit="0123456789abcdef",
    date="2026-11-25T01:02:03+00:00",
    budget_seconds=60.0,
    rows=(
        CalibrationRow("seconds", 1.0, 20, 0, 1, 3),
        CalibrationRow("seconds", 1.05, 20, 19, 0, 1),
        CalibrationRow("seconds", 1.10, 20, 20, 0, 0),
        CalibrationRow("bytes", 1.05, 5, 5, 1, 0),
    ),
    environment={"threads": 2},
)


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    path = write_calibration(tmp_path, CALIBRATION)
    assert path.relative_to(tmp_path).as_posix() == "some-cpu-2-cores/2026-11-25T010203Z-0123456.json"
    assert read_calibration(path) == CALIBRATION


def test_writing_it_again_replaces_it_and_leaves_nothing_else(tmp_path):
    first = write_calibration(tmp_path, CALIBRATION)
    more = replace(CALIBRATION, rows=(CalibrationRow("seconds", 1.0, 21, 0, 1, 3),))
    path = write_calibration(tmp_path, more, first)
    assert read_calibration(path) == more
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    other = write_calibration(tmp_path, CALIBRATION)  # another one of the same second
    assert read_calibration(path) == more and read_calibration(other) == CALIBRATION


def test_the_newest_of_this_machine_counts_and_damaged_ones_do_not_stop_a_gate(tmp_path):
    here, there = tmp_path / "committed", tmp_path / "local"
    newest = replace(CALIBRATION, date="2026-12-24T01:02:03+00:00")
    write_calibration(here, newest)
    write_calibration(there, CALIBRATION)
    write_calibration(there, replace(newest, machine="other-cpu", date="2027-01-01T00:00:00+00:00"))
    (there / "some-cpu-2-cores" / "9999.json").write_text("{")
    assert latest_calibration("some-cpu-2-cores", [here, there, tmp_path / "absent"]) == newest
    assert latest_calibration("third-cpu", [here, there]) is None


def test_the_sentence_says_where_how_often_and_how_sure():
    sentence = calibration_sentence(CALIBRATION)
    assert "some-cpu-2-cores, 2026-11-25, commit 0123456" in sentence
    assert "called something regressed that was unchanged in 2 of 65 runs (0.8 % to 10.5 % at 95 %)" in sentence
    assert "left 3 of 20 runs of A against A undecided" in sentence
    assert "found slowdowns of 5 % in 19 of 20, 10 % in 20 of 20" in sentence
    assert sentence.endswith("found increases of memory of 5 % in 5 of 5.")


def test_without_a_calibration_the_sentence_says_how_to_get_one():
    assert "--calibrate" in calibration_sentence(None)
    assert "--calibrate" in calibration_sentence(replace(CALIBRATION, rows=()))


@pytest.mark.parametrize(
    "row",
    [
        ("cents", 1.0, 1, 0, 0, 0),
        ("seconds", 0.9, 1, 0, 0, 0),
        ("seconds", 1.0, 0, 0, 0, 0),
        ("seconds", 1.1, 3, 2, 0, 2),
        ("seconds", 1.1, 3, 0, 2, 2),
        ("seconds", 1.1, 3, 0, -1, 2),
        ("seconds", 1.0, 3, 1, 0, 0),
    ],
)
def test_counts_that_do_not_fit_each_other_are_refused(row):
    with pytest.raises(ValueError, match=r"kind is|inject is|runs"):
        CalibrationRow(*row)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', '{"format": "mlp-bench gate calibration 1"}'])
def test_a_damaged_file_is_one_sentence(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(RecordError, match="calibrate again, or remove it"):
        read_calibration(path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        write_calibration(tmp_path / "file", CALIBRATION)


def test_a_rate_has_wilsons_interval():
    low, high = Rate(1, 10).interval  # Brown, Cai & DasGupta (2001): (x + z^2/2) / (n + z^2) -+ ...
    assert (low, high) == pytest.approx((0.0179, 0.4042), abs=5e-4)
    with pytest.raises(ValueError, match="is not a rate"):
        Rate(2, 1)
