import json
import re
from dataclasses import asdict, replace

import pytest
from example_profile import PUBLISHED, RECORDED, TUNED, recorded
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RecordError
from bench.records.header import CommitFacts
from bench.records.json_file import decode
from bench.records.profile import FUNCTIONS, KINDS, SCHEMA_VERSION, CompilePhase, Event, Operation, Profile, Timing
from bench.records.profile_file import FILE_NAME, load, save
from bench.report.profile.frames import frame

seconds = st.floats(-1, 1e3, allow_nan=False)
durations = st.floats(1e-9, 1e3)
shapes = st.lists(st.lists(st.integers(0, 10_000), max_size=3).map(tuple), max_size=3).map(tuple)
operations = st.builds(
    Operation,
    function=st.sampled_from(FUNCTIONS),
    name=st.text(max_size=20),
    kind=st.sampled_from(KINDS),
    calls=st.floats(0, 100),
    seconds=seconds,
    flop=st.none() | st.floats(0, 1e12),
    bytes=st.none() | st.integers(0, 10**9),
    input_shapes=shapes,
    output_shapes=shapes,
    source=st.none() | st.text(max_size=20),
    details=st.fixed_dictionaries(
        {}, optional={"op": st.text(max_size=5), "m": st.integers(0, 9), "inputs": st.lists(st.text(max_size=3))}
    ),
)
timings = st.builds(
    Timing,
    plain_seconds=st.lists(durations, max_size=3).map(tuple),
    profiled_seconds=st.lists(durations, max_size=3).map(tuple),
    calls_per_sample=st.integers(1, 100),
)


def example(**changes):
    profile = Profile(
        profile_id="20260102-030405-0123456",
        started_at="2026-01-02T03:04:05+00:00",
        stack={"backend": "theano", "variant": "tuned", "device": "cpu", "precision": "float32"},
        recipe={"layer_widths": [784, 10], "batch_size": 500},
        threads=2,
        dataset="mnist",
        machine={"usable_cores": 2},
        commit=CommitFacts("0123456", False),
        timings={"train_step": Timing((4e-3, 5e-3, 4.5e-3), (5e-3, 6e-3, 5.5e-3), 20)},
        operations=(
            Operation("train_step", "between operations", "host", 1, 0.5e-3),
            Operation("train_step", "Dot22(images, W1)", "gemm", 1, 5e-3, flop=1e9, bytes=4_000_000),
        ),
    )
    return replace(profile, **changes)


@pytest.mark.slow
@given(
    st.lists(operations, max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(FUNCTIONS), timings),
    st.lists(st.builds(CompilePhase, calls=st.none() | st.integers(0, 9)), max_size=3).map(tuple),
    st.lists(st.builds(Event, start_seconds=seconds, seconds=seconds), max_size=2).map(tuple),
    st.booleans(),
)
def test_a_profile_survives_the_journey_through_json(operations, timings, phases, events, complete):
    phases = tuple(phase for phase in phases if phase.seconds == phase.seconds and abs(phase.seconds) < 1e300)
    profile = example(operations=operations, timings=timings, compile_phases=phases, events=events, complete=complete)
    assert decode(json.loads(json.dumps(asdict(profile))), Profile) == profile


def test_a_profile_is_found_by_its_file_and_by_its_folder(tmp_path):
    save(example(), tmp_path / FILE_NAME)
    assert load(tmp_path) == load(tmp_path / FILE_NAME) == example()


@pytest.mark.parametrize("name", [PUBLISHED, TUNED])
def test_all_that_a_profile_holds_is_written_back(tmp_path, name):
    save(recorded(name), tmp_path / FILE_NAME)
    before, after = (json.loads(path.read_text()) for path in (RECORDED / name, tmp_path / FILE_NAME))
    known = {field: value for field, value in before.items() if value is not None}
    assert {field: after[field] for field in known} == known


def test_writing_where_one_cannot_is_one_sentence(tmp_path):
    with pytest.raises(RecordError, match=r"cannot write .*profile.json.*: free space, or name another directory"):
        save(example(), tmp_path / "nowhere" / FILE_NAME)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty: measure again"),
        ("  \n", "is empty: measure again"),
        ('{"schema_version": 1, "oper', "is damaged or not a profile"),
        ("[1, 2]", "is not a profile of mlp-bench"),
        ('{"run_id": "x", "schema_version": 3}', "is not a profile of mlp-bench"),
        (f'{{"schema_version": {SCHEMA_VERSION + 1}, "operations": []}}', "update mlp-bench to read it"),
        ('{"schema_version": 1, "operations": [{}]}', "is damaged"),
        ('{"schema_version": 1, "operations": 7, "timings": {}}', "is damaged"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_one_sentence(tmp_path, content, sentence):
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(RecordError, match=sentence) as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"threads": "two"}, "Expected `int`, got `str` - at `$.threads`"),
        ({"host": {"timeline": [{}]}}, "missing required field `t_seconds` - at `$.host.timeline[0]`"),
        ({"data": {"read": {"seconds": 0, "bytes": 7}}}, "Expected `float` > 0.0 - at `$.data[...].seconds`"),
        ({"facts": {"blas": {"threads": float("inf")}}}, "JSON is malformed: invalid character"),
        ({"machine": {"usable_cores": "two"}}, "Expected `int | null`, got `str` - at `$.usable_cores`"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_place(tmp_path, changes, sentence):
    (tmp_path / FILE_NAME).write_text(json.dumps(asdict(example()) | changes))
    with pytest.raises(RecordError, match=re.escape(sentence)):
        load(tmp_path)


def test_half_a_character_is_replaced(tmp_path):
    (tmp_path / FILE_NAME).write_text(json.dumps(asdict(example(dataset="half \udcff"))))
    assert load(tmp_path).dataset == "half \ufffd"


def test_a_picture_is_refused_too(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(RecordError, match="is damaged or not a profile"):
        load(tmp_path / "picture.png")


def test_a_folder_without_a_profile_is_refused(tmp_path):
    with pytest.raises(RecordError, match=r"it has no profile\.json"):
        load(tmp_path)
    with pytest.raises(RecordError, match="is not a profile"):
        load(tmp_path / "absent")


def test_fields_that_a_newer_minor_change_added_are_ignored():
    content = json.loads(json.dumps(asdict(example()))) | {"colour": "blue"}
    assert decode(content, Profile) == example()


def test_the_frame_has_the_most_expensive_operation_first_with_its_rates():
    table = frame(example())
    gemm = table.iloc[0]
    assert (gemm["name"], gemm["flop_per_second"], gemm["bytes_per_second"]) == ("Dot22(images, W1)", 2e11, 8e8)
    assert gemm["share"] == pytest.approx(5 / 5.5)


def test_what_is_not_known_is_missing_in_the_frame_and_not_zero():
    host = frame(example()).iloc[1]
    assert host[["flop", "bytes", "flop_per_second", "source"]].isna().all()


def test_an_empty_profile_has_an_empty_frame_with_all_columns():
    assert list(frame(example(operations=())).columns) == list(frame(example()).columns)


def test_shares_need_a_timing():
    assert example(timings={}).share(example().operations[0]) is None
