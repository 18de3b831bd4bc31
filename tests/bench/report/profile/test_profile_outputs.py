"""Outputs of a profile: its diff, its trace, its roofline, its shares of the ceilings."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from example_ceilings import FLOP_PER_SECOND, example_ceilings
from example_profile import PUBLISHED, TUNED, gpu_profile, recorded, with_host

from bench.errors import RecordError
from bench.records.profile import Event, Operation
from bench.records.profile_file import load
from bench.report.profile.attainable import share_of_ceiling
from bench.report.profile.diff import diff, sections
from bench.report.profile.outputs import write_outputs
from bench.report.profile.roofline import points, roofs, write_roofline
from bench.report.profile.trace import trace

PUBLISHED_PROFILE, TUNED_PROFILE = recorded(PUBLISHED), recorded(TUNED)


# --- diff -------------------------------------------------------------------------------------------------------------


def test_every_operation_of_both_profiles_stands_once_in_the_diff():
    changes = diff(PUBLISHED_PROFILE, TUNED_PROFILE).of("train_step")
    before = sorted(change.before for change in changes if change.before)
    after = sorted(change.after for change in changes if change.after)
    assert before == sorted(one.name for one in PUBLISHED_PROFILE.of("train_step"))
    assert after == sorted(one.name for one in TUNED_PROFILE.of("train_step"))


def test_the_differences_add_up_to_that_of_the_profiled_steps():
    def total(profile):
        return sum(one.seconds for one in profile.of("train_step"))

    changes = diff(PUBLISHED_PROFILE, TUNED_PROFILE).of("train_step")
    differences = sum(change.difference_seconds for change in changes)
    assert differences == pytest.approx(total(TUNED_PROFILE) - total(PUBLISHED_PROFILE))


def test_the_duplicates_and_the_generator_of_the_published_step_have_no_partner():
    changes = diff(PUBLISHED_PROFILE, TUNED_PROFILE).of("train_step")
    alone = [change for change in changes if change.after is None]
    assert sum(change.kind == "gemm" for change in alone) == 3
    assert [change.before for change in alone if change.kind == "rng"]


def test_a_product_is_matched_with_the_one_that_has_the_same_transposes():
    """W2's forward product and its gradient have the same shape; only one transposes its first factor."""
    changes = diff(PUBLISHED_PROFILE, TUNED_PROFILE).of("train_step")
    (forward,) = [change for change in changes if change.before == "Dot22(#26, W2)"]
    assert forward.after == "Product(#2, W2)"


def test_a_profile_differs_from_itself_in_nothing():
    changes = diff(TUNED_PROFILE, TUNED_PROFILE).changes
    assert {change.difference_seconds for change in changes} == {0.0}
    assert all(change.before == change.after for change in changes)


def test_a_diff_is_a_frame_with_units_in_its_columns():
    frame = diff(PUBLISHED_PROFILE, TUNED_PROFILE).frame()
    assert {"seconds_before", "seconds_after", "difference_seconds", "ratio"} < set(frame.columns)
    assert frame["ratio"].isna().any()  # in one only


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"recipe": {**TUNED_PROFILE.recipe, "batch_size": 64}}, "batch size 500 and 64"),
        ({"dataset": "surrogate"}, "dataset mnist and surrogate"),
    ],
)
def test_other_work_is_refused_with_the_reason(change, reason):
    with pytest.raises(RecordError, match=reason):
        diff(TUNED_PROFILE, replace(TUNED_PROFILE, **change))


def test_a_profile_without_operations_is_refused_with_what_happened_to_it():
    empty = replace(TUNED_PROFILE, operations=(), problems=("it crashed (SIGSEGV).",), complete=False)
    with pytest.raises(RecordError, match=r"holds no operations \(it crashed \(SIGSEGV\)\): profile it again"):
        diff(TUNED_PROFILE, empty)


def test_two_machines_are_compared_and_named():
    other = replace(TUNED_PROFILE, machine={**TUNED_PROFILE.machine, "cpu_model": "Example CPU"}, threads=4)
    notes = " ".join(diff(TUNED_PROFILE, other).notes)
    assert "cpu model" in notes and "Example CPU" in notes and "The threads differ: 2 and 4." in notes


def test_what_is_missing_from_an_incomplete_profile_is_said():
    half = replace(TUNED_PROFILE, complete=False, problems=("it was interrupted",))
    assert "is incomplete: it was interrupted" in sections(diff(half, TUNED_PROFILE))[-1].sentences[-1]


# --- trace ------------------------------------------------------------------------------------------------------------

# "Trace Event Format": what each phase of event must have beside name, ph and pid.
REQUIRED = {"X": {"cat", "ts", "dur", "tid", "args"}, "C": {"ts", "args"}, "M": {"args"}}


@pytest.fixture(params=["averages", "timeline", "gpu"])
def traced(request):
    profile = TUNED_PROFILE
    if request.param == "timeline":
        events = (
            Event("train_step", "a", "gemm", "stream 7", 0.0, 1e-3),
            Event("train_step", "b", "rng", "cpu", 1e-3, 2e-3),
        )
        profile = replace(profile, events=events)
    if request.param == "gpu":
        samples = [{"t_seconds": 0.1, "sm_clock_mhz": 1500, "power_watts": None, "throttle_reasons": []}]
        profile = with_host(gpu_profile(), gpu_timeline=samples, timeline=[{"t_seconds": 0.0, "rss_bytes": 5}])
    return json.loads(json.dumps(trace(profile), allow_nan=False))


def test_every_event_of_the_trace_has_what_the_format_requires(traced):
    assert traced["displayTimeUnit"] in ("ms", "ns")
    for event in traced["traceEvents"]:
        assert {"name", "ph", "pid"} | REQUIRED[event["ph"]] <= event.keys()
        assert isinstance(event["pid"], int) and isinstance(event["name"], str)
        if event["ph"] in "XC":
            assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] > 0
        if event["ph"] == "C":
            assert all(isinstance(value, (int, float)) for value in event["args"].values())


def test_events_of_one_thread_do_not_overlap(traced):
    by_thread = {}
    for event in traced["traceEvents"]:
        if event["ph"] == "X":
            by_thread.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    for spans in by_thread.values():
        spans.sort()
        assert all(before[1] <= after[0] + 1e-6 for before, after in pairwise(spans))


def test_averaged_times_are_labelled_as_averages():
    found = trace(TUNED_PROFILE)
    assert "averages laid end to end" in found["otherData"]["times"]
    steps = [one for one in found["traceEvents"] if one["ph"] == "X" and one["args"]["function"] == "train_step"]
    per_step = [one for one in TUNED_PROFILE.of("train_step") if one.seconds > 0]
    assert len(steps) == 3 * len(per_step)
    assert sum(one["dur"] for one in steps) == pytest.approx(3e6 * sum(one.seconds for one in per_step))


def test_a_measured_timeline_keeps_its_threads_and_microseconds():
    events = (
        Event("train_step", "a", "gemm", "stream 7", 0.5, 1e-3),
        Event("train_step", "b", "rng", "cpu", 0.6, 2e-3),
    )
    found = trace(replace(TUNED_PROFILE, events=events))["traceEvents"]
    names = {one["tid"]: one["args"]["name"] for one in found if one["name"] == "thread_name"}
    (first, second) = [one for one in found if one["ph"] == "X"]
    assert (first["ts"], first["dur"], names[first["tid"]]) == (pytest.approx(5e5), pytest.approx(1e3), "stream 7")
    assert names[second["tid"]] == "cpu"


def test_counters_show_what_was_sampled_and_nothing_that_was_not():
    samples = [{"t_seconds": 0.1, "sm_clock_mhz": 1500, "power_watts": None}]
    found = trace(with_host(gpu_profile(), gpu_timeline=samples))["traceEvents"]
    counters = [(one["name"], one["args"], one["ts"]) for one in found if one["ph"] == "C"]
    assert counters == [("SM clock (MHz)", {"value": 1500}, pytest.approx(1e5))]


# --- roofline and shares ----------------------------------------------------------------------------------------------


def with_ceilings(profile):
    return replace(profile, ceilings=example_ceilings())


def test_a_point_is_flop_per_byte_and_flop_per_second():
    (first, *_) = points(TUNED_PROFILE)
    operation = next(one for one in TUNED_PROFILE.of("train_step") if one.name == first.name)
    assert first.flop_per_byte == pytest.approx(operation.flop / operation.bytes)
    assert first.flop_per_second == pytest.approx(operation.flop / operation.seconds)
    large = [one.name for one in TUNED_PROFILE.of("train_step") if one.kind == "gemm" and one.seconds > 1e-4]
    assert [one.name for one in points(TUNED_PROFILE)][: len(large)] == large and len(large) == 5


def test_of_unknown_flop_each_element_counts_once_and_copies_compute_nothing():
    timing = gpu_profile().timings
    add = Operation("train_step", "add", "elementwise", 1, 1e-4, bytes=3e6, output_shapes=((500, 500),))
    profile = gpu_profile(timings=timing, operations=(add, replace(add, name="copy", kind="copy")))
    (point,) = points(profile)
    assert point.flop_per_byte == pytest.approx(250_000 / 3e6)


def test_what_hardly_takes_time_is_not_drawn():
    small = Operation("train_step", "add", "elementwise", 1, 1e-6, bytes=3e6, output_shapes=((500, 500),))
    assert points(gpu_profile(operations=(small,))) == []


def test_the_roofs_are_the_measured_ones():
    peak, slopes = roofs(example_ceilings())
    assert peak == pytest.approx(200e9)
    assert list(slopes.values()) == [pytest.approx(50e9), pytest.approx(10e9)]


def test_the_roofline_is_an_svg_with_points_and_roofs(tmp_path):
    assert write_roofline(with_ceilings(TUNED_PROFILE), tmp_path / "roofline.svg") is None
    text = (tmp_path / "roofline.svg").read_text()
    assert text.startswith("<?xml") and "</svg>" in text
    assert "arithmetic intensity, FLOP/byte" in text and "large square product: 200 GFLOP/s" in text
    assert "Product(#0, W1)" in text


def test_without_ceilings_or_flop_it_says_what_is_missing(tmp_path):
    assert "has no roofs" in write_roofline(replace(TUNED_PROFILE, ceilings=None), tmp_path / "a.svg")
    assert "No roofline was drawn" in write_roofline(replace(TUNED_PROFILE, operations=()), tmp_path / "b.svg")
    assert not (tmp_path / "b.svg").exists()


def test_a_product_is_judged_by_the_ceiling_of_the_same_product():
    """1 ms for 392 MFLOP: at 100 GFLOP/s it would be 3.92 ms, so 392 %; a square one of 200 GFLOP/s says 196 %."""
    details = {"m": 500, "n": 500, "k": 784, "product": "inputs @ W1"}
    product = Operation("train_step", "x", "gemm", 1, 1e-3, flop=392e6, details=details)
    profile = with_ceilings(TUNED_PROFILE)
    assert share_of_ceiling(product, profile) == pytest.approx(392e6 / FLOP_PER_SECOND / 1e-3)
    odd = replace(product, details={**details, "k": 783})
    assert share_of_ceiling(odd, profile) == pytest.approx(392e6 / 200e9 / 1e-3)


def test_a_product_with_transposed_factors_is_another_product():
    profile = with_ceilings(TUNED_PROFILE)
    slow = [
        replace(one, seconds=2 * one.seconds) if one.name == "gemm_weights_2" else one
        for one in profile.ceilings.measured
    ]
    profile = replace(profile, ceilings=replace(profile.ceilings, measured=tuple(slow)))
    details = {"m": 500, "n": 300, "k": 500}
    product = Operation("train_step", "x", "gemm", 1, 1e-3, flop=150e6)
    forward = replace(product, details={**details, "product": "h @ W2"})
    gradient = replace(product, details={**details, "product": "h.T @ d"})
    assert share_of_ceiling(gradient, profile) == pytest.approx(2 * share_of_ceiling(forward, profile))


@pytest.mark.parametrize(
    ("kind", "more", "share"),
    [
        ("elementwise", {"bytes": 50e6}, 1.0),
        ("rng", {"bytes": 9e9, "output_shapes": ((15360, 6), (500, 2000))}, 1.0),
        ("host", {"bytes": 50e6}, None),
        ("reduction", {}, None),
    ],
)
def test_other_operations_are_judged_by_what_they_move(kind, more, share):
    operation = Operation("train_step", "x", kind, 1, 1e-3, **more)
    found = share_of_ceiling(operation, with_ceilings(TUNED_PROFILE))
    assert found == (None if share is None else pytest.approx(share))


def test_without_ceilings_there_is_no_share():
    operation = TUNED_PROFILE.of("train_step")[0]
    assert share_of_ceiling(operation, replace(TUNED_PROFILE, ceilings=None)) is None


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_holds_everything_and_the_profile_survives(tmp_path):
    profile = with_ceilings(PUBLISHED_PROFILE)
    assert write_outputs(profile, tmp_path) == profile
    assert {path.name for path in tmp_path.iterdir()} == {
        *("profile.json", "operations.csv", "findings.csv", "trace.json", "roofline.svg")
    }
    assert load(tmp_path) == load(tmp_path / "profile.json")
    assert "duplicated products" in (tmp_path / "findings.csv").read_text()


def test_what_could_not_be_drawn_becomes_a_problem_of_the_profile(tmp_path):
    written = write_outputs(replace(TUNED_PROFILE, ceilings=None), tmp_path)
    assert any("has no roofs" in problem for problem in written.problems)
    assert load(tmp_path).problems == written.problems
