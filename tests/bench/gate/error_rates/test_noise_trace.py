import json

import pytest

from bench.errors import RecordError
from bench.gate.block import SchedulerCounters
from bench.gate.error_rates.noise_trace import TRACE_FORMAT, TraceTurn, TraceWriter, read_trace

TURNS = (TraceTurn(0.0, "A", 0, 0, 0, 0.081), TraceTurn(0.1, "C", 1, 0, 0, None), TraceTurn(0.2, "B", 2, 0, 1, 0.09))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "noise" / "quiet.jsonl"
    with TraceWriter(path, {"metric": "train_epoch"}) as writer:
        for turn in TURNS:
            writer.append(turn)
    return path


def test_a_trace_is_read_as_it_was_written(path):
    trace = read_trace(path)
    assert trace.name == "quiet"
    assert trace.header == {"format": TRACE_FORMAT, "metric": "train_epoch"}
    assert trace.turns == TURNS
    assert trace.problems == ()


def test_every_line_is_json_with_the_documented_names(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [set(line) for line in lines[1:]] == [
        {"t_start_seconds", "side", "process", "block", "round", "seconds", "core_distance_ns", "scheduler"}
    ] * 3


def test_a_trace_from_before_the_counters_of_the_scheduler_is_read_and_one_with_them_keeps_them(tmp_path):
    counted = TraceTurn(0.0, "A", 0, 0, 0, 0.08, 33.0, SchedulerCounters(0.02, 0.015, 3, 0.1, None, 0.05))
    with TraceWriter(tmp_path / "new.jsonl", {}) as writer:
        writer.append(counted)
    assert read_trace(tmp_path / "new.jsonl").turns == (counted,)
    old = '{"t_start_seconds": 0.0, "side": "A", "process": 0, "block": 0, "round": 0, "seconds": 0.08}'
    (tmp_path / "old.jsonl").write_text(f'{{"format": "{TRACE_FORMAT}"}}\n{old}\n')
    assert read_trace(tmp_path / "old.jsonl").turns == (TraceTurn(0.0, "A", 0, 0, 0, 0.08),)


def test_a_recording_overwrites_no_other(path):
    with pytest.raises(RecordError, match="exists already"):
        TraceWriter(path, {})
    assert read_trace(path).turns == TURNS


def test_what_a_killed_recording_wrote_can_be_read_and_its_torn_line_is_named(path):
    path.write_text(path.read_text() + '{"t_start_seconds": 0.3, "si')
    trace = read_trace(path)
    assert trace.turns == TURNS
    assert len(trace.problems) == 1
    assert trace.problems[0].startswith("quiet.jsonl line 5 is not a turn")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seconds": -1.0}, "seconds is -1.0, not a duration"),
        ({"seconds": 0.0}, "seconds is 0.0, not a duration"),
        ({"seconds": float("nan")}, "JSON is malformed: invalid character (byte 87)"),
        ({"seconds": "fast"}, "Expected `float | null`, got `str` - at `$.seconds`"),
        ({"seconds": True}, "Expected `float | null`, got `bool` - at `$.seconds`"),
        ({"t_start_seconds": None}, "Expected `float`, got `null` - at `$.t_start_seconds`"),
        ({"process": 1.5}, "Expected `int`, got `float` - at `$.process`"),
        ({"block": -1}, "block is -1, not a count"),
        ({"round": None}, "Expected `int`, got `null` - at `$.round`"),
    ],
)
def test_a_line_with_an_impossible_value_is_named_and_left_out(path, change, complaint):
    line = {"t_start_seconds": 1.0, "side": "A", "process": 3, "block": 1, "round": 0, "seconds": 0.1, **change}
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    trace = read_trace(path)
    assert trace.turns == TURNS
    assert trace.problems == (f"quiet.jsonl line 5 is not a turn ({complaint}) and was left out",)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[]", "Expected `object`, got `array`"),
        ("null", "Expected `object`, got `null`"),
        ('{"seconds": 1.0}', "Object missing required field `t_start_seconds`"),
    ],
)
def test_a_line_that_is_something_else_says_what_a_turn_needs(path, line, complaint):
    path.write_text(path.read_text() + line + "\n")
    assert complaint in read_trace(path).problems[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line has no format"),
        ("time,seconds\n1,2\n", "its first line has no format"),
        ('{"format": "somebody else\'s 7"}\n', 'has the format "somebody else\'s 7", and this version reads'),
        (json.dumps({"format": TRACE_FORMAT}) + "\nx\n", "has no valid turn"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError, match=message):
        read_trace(path)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    with pytest.raises(RecordError, match=r"nothing\.jsonl cannot be read \(No such file"):
        read_trace(tmp_path / "nothing.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordError, match="not a text file"):
        read_trace(tmp_path / "binary.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write"):
        TraceWriter(tmp_path / "file" / "trace.jsonl", {})
