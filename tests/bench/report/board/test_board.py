"""Folders of runs -> records, machines and rows, and the reason for whatever is not on the board."""

import json
import re
from dataclasses import replace
from datetime import date

import pytest
from board_runs import ACCURACIES, record_of, write_run, write_summary
from example_run import case, measurement, reference_replicate, replicate
from html_pages import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError, RecordError
from bench.records.header import RunHeader
from bench.records.run_folder import SCHEMA_VERSION
from bench.report.board.board import read_board, sources
from bench.report.board.changes import changes_of
from bench.report.board.machines import address_of, machines_of
from bench.report.board.record import Known, _fitness, read_record
from bench.report.board.rows import ALONE, UNKNOWN_KEY, rows_of
from bench.report.history import find_runs
from bench.stats.learning import Learning

BUILT = date(2026, 2, 1)


def board_of(*folders, records_dir):
    return read_board(sources(find_runs(folders), folders, records_dir), BUILT)


def with_key(record, key):
    """Return ``record`` as if its stacks had the comparison key."""
    return replace(record, results=tuple(replace(one, comparison_key=Known(key)) for one in record.results))


def rows_of_records(*records):
    return rows_of(machines_of(records))


# --- what enters ------------------------------------------------------------------------------------------------------


def test_a_record_has_the_numbers_of_its_samples(tmp_path):
    record = record_of(tmp_path)
    (result,) = record.results
    assert result.seconds == pytest.approx((46.0, 47.0, 48.0))
    assert (result.total.center, result.stack.precision) == (pytest.approx(47.0), "float32")
    assert result.mean_test_accuracy == pytest.approx(sum(ACCURACIES) / 3) and result.agrees
    assert result.not_canonical_because is None
    assert (record.day, record.year, record.commit) == ("2026-01-01", "2026", "0123456789abcdef")


def test_a_missing_key_and_grade_have_a_reason(tmp_path):
    record = record_of(tmp_path, commit={"id": "0123456", "dirty": True})
    for known in (record.fitness, record.results[0].comparison_key):
        assert known.value is None and "older" in known.missing_because


def test_a_clean_commit_implies_the_key_of_an_older_record(tmp_path):
    assert record_of(tmp_path).results[0].comparison_key.value is not None


@pytest.mark.parametrize(("other_cpu_percent", "grade"), [(0.0, "excellent"), (150.0, "unfit"), (None, None)])
def test_a_grade_is_that_of_the_report(other_cpu_percent, grade):
    header = RunHeader(6, "a", "complete", "full", (), machine={"usable_cores": 2}, fitness={"start": {}})
    beside = {"other_cpu_percent": other_cpu_percent, "wall_seconds": 9.0, "started_at": "2026-01-01T00:00:00+00:00"}
    assert _fitness(header, [{"sequence": 1, "case": {"threads": 2}, **beside}]).value == grade


def test_a_summary_with_the_numbers_of_the_samples_is_accepted(tmp_path):
    run = write_run(tmp_path)
    write_summary(run)
    assert read_record(run, "it", True).run_id == run.name


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total_seconds": {"center": 40.0, "num_processes": 3}}, "says 40.0 s of 3 processes for theano/as_published"),
        ({"total_seconds": {"center": 47.0, "num_processes": 9}}, "says 47.0 s of 9 processes"),
        ({"total_seconds": None}, "says no number of None processes"),
        ({"total_seconds": [47.0]}, "says no number of None processes"),
        ({"total_seconds": {"center": 10**400}}, "says no number of None processes"),
        ({"mean_test_accuracy": 0.99}, "says a test accuracy of 99.00 % for theano/as_published on cpu"),
        ({"mean_test_accuracy": "high"}, "says a test accuracy of no number"),
        ({"variant": "tuned"}, "has no reference run of theano/as_published on cpu, which was measured"),
    ],
)
def test_a_summary_with_other_numbers_is_left_out(tmp_path, changes, reason):
    run = write_run(tmp_path)
    write_summary(run, **changes)
    with pytest.raises(RecordError, match=re.escape(reason)):
        read_record(run, "it", True)


def test_a_total_that_is_not_the_sum_of_its_phases_is_left_out(tmp_path):
    made = reference_replicate(1, 0.9827, 40.0)
    made["measurements"][0]["seconds"] = [30.0]
    with pytest.raises(RecordError, match=r"process 1, 30.0 s, is not the sum of its phases"):
        record_of(tmp_path, replicates=[made])


@pytest.mark.parametrize("text", ["{", "[]", '{"reference_runs": 1}', '{"reference_runs": [1]}'])
def test_a_damaged_summary_is_left_out(tmp_path, text):
    run = write_run(tmp_path)
    (run / "summary.json").write_text(text)
    with pytest.raises(RecordError, match=r"its summary.json cannot be read"):
        read_record(run, "it", True)


def test_a_damaged_replicate_is_left_out(tmp_path):
    run = write_run(tmp_path)
    (run / "replicates" / "0002.json").write_text("{")
    with pytest.raises(RecordError, match=r"it is damaged: 0002.json cannot be read"):
        read_record(run, "it", True)


def test_a_newer_schema_is_left_out_and_says_which_version_reads_it(tmp_path):
    write_run(tmp_path / "records", 1)
    write_run(tmp_path / "records", 2, schema_version=SCHEMA_VERSION + 1, mlp_bench="9.0")
    board = board_of(tmp_path / "records", records_dir=tmp_path)
    ((record, reason),) = board.left_out
    assert record.endswith("20260102-000000-0123456") and "mlp-bench 9.0 or newer" in reason


@pytest.mark.parametrize(
    ("changes", "reason"), [({"cpu_model": None}, "names no machine"), ({"started_at": None}, "has no start")]
)
def test_a_record_of_an_unknown_machine_or_day_is_left_out(tmp_path, changes, reason):
    with pytest.raises(RecordError, match=reason):
        record_of(tmp_path, **changes)


def test_a_run_counts_once_and_the_committed_copy_is_kept(tmp_path):
    write_run(tmp_path / "a-copy")
    write_run(tmp_path / "records")
    board = board_of(tmp_path / "a-copy", tmp_path / "records", records_dir=tmp_path / "records")
    assert [(one.source, one.verified_here) for one in board.records] == [("records/20260101-000000-0123456", True)]
    ((record, reason),) = board.left_out
    assert record.startswith("a-copy/") and "is that of records/20260101-000000-0123456" in reason


def test_only_the_committed_results_are_verified_here_and_others_have_rows_of_their_own(tmp_path):
    write_run(tmp_path / "records", 1)
    write_run(tmp_path / "elsewhere", 2)
    board = board_of(tmp_path / "records", tmp_path / "elsewhere", records_dir=tmp_path / "records")
    assert [one.verified_here for one in board.records] == [True, False]
    assert sorted("not verified here" in row.remarks for row in board.rows) == [False, True]


def test_a_folder_of_the_user_is_not_shown(tmp_path):
    write_run(tmp_path / "records" / "mine")
    (found,) = sources(find_runs([tmp_path / "records"]), [tmp_path / "records"], tmp_path)
    assert found.shown == "records/mine/20260101-000000-0123456"


def test_no_readable_record_is_one_sentence(tmp_path):
    run = write_run(tmp_path)
    (run / "run.json").write_text("{")
    with pytest.raises(
        BenchError, match=r"no record can enter the board: 1 were left out, the first because .*damaged"
    ):
        board_of(tmp_path, records_dir=tmp_path)


def test_nothing_to_rank_is_one_sentence(tmp_path):
    write_run(tmp_path, replicates=[replicate(case("data"), [measurement("load", [0.5])])])
    with pytest.raises(BenchError, match="nothing to rank: none of 1 records has a reference run"):
        board_of(tmp_path, records_dir=tmp_path)


def test_a_reference_run_of_a_failed_process_has_no_key(tmp_path):
    failed = {**reference_replicate(1, 0.9827, 40.0), "status": "failed", "reason": "it was killed"}
    (result,) = record_of(tmp_path, replicates=[failed]).results
    assert result.comparison_key == Known(None, "all its processes failed")


# --- machines ---------------------------------------------------------------------------------------------------------


@given(st.text(max_size=100) | st.sampled_from(["a/b/../c", "<b>x</b>", "[x](y)", "..", "CON", "ß ﬁ Ω", HOSTILE]))
def test_an_address_is_a_plain_file_name_whatever_the_name_is(name):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{6}", address_of(name, {"cpu_model": name}))


def test_an_address_stays_when_newer_records_and_facts_are_added(tmp_path):
    first = record_of(tmp_path, 1)
    newer = record_of(tmp_path, 2, memory_bytes=8 * 2**30 + 4096)
    newer = replace(newer, machine={**newer.machine, "l3_bytes": 2**25})
    (alone,), (both,) = machines_of([first]), machines_of([newer, first])
    assert alone.address == both.address
    assert [one.run_id for one in both.records] == [first.run_id, newer.run_id]
    assert both.hardware["l3_bytes"] == 2**25


def test_two_machines_of_one_name_have_pages_and_labels_of_their_own(tmp_path):
    small, large = record_of(tmp_path, 1), record_of(tmp_path, 2, memory_bytes=64 * 2**30)
    found = machines_of([small, large])
    assert len({one.address for one in found}) == len({one.label for one in found}) == 2
    assert all(one.label.startswith("Example CPU @ 3.50GHz, 2 cores (") for one in found)


def test_a_name_is_cut_and_on_one_line(tmp_path):
    (machine,) = machines_of([record_of(tmp_path, cpu_model="a\nb" + "x" * 10_000)])
    assert machine.name.startswith("a bxxx") and "cut: 10," in machine.name and len(machine.name) < 130


# --- rows and ranks ---------------------------------------------------------------------------------------------------


def test_rows_are_ranked_by_time_and_ties_are_shared(tmp_path):
    machines = [("A", 1.0), ("B", 1.005), ("C", 2.0)]
    records = [record_of(tmp_path, day, speed, cpu_model=name) for day, (name, speed) in enumerate(machines, 1)]
    rows = rows_of_records(*records)
    assert [(row.runs.machine.name[0], str(row.rank.rank)) for row in rows] == [("C", "1"), ("B", "2="), ("A", "2=")]


def test_hardware_is_ranked_over_equal_keys_only(tmp_path):
    slow, fast, other = (record_of(tmp_path, day, day, cpu_model=f"CPU {day}") for day in (1, 2, 3))
    rows = rows_of_records(with_key(slow, "k"), with_key(fast, "k"), with_key(other, "changed"))
    assert [row.hardware_rank.rank and row.hardware_rank.rank.number for row in rows] == [None, 1, 2]
    assert rows[0].hardware_rank.missing_because == ALONE
    assert {row.hardware_rank.missing_because for row in rows_of_records(with_key(slow, None), fast)} == {
        UNKNOWN_KEY,
        ALONE,
    }


def test_another_key_of_a_variant_is_another_row(tmp_path):
    old, new = record_of(tmp_path, 1), record_of(tmp_path, 2, commit={"id": "fedcba", "dirty": False})
    assert len(rows_of_records(with_key(old, "a"), with_key(new, "b"))) == 2
    assert len(rows_of_records(with_key(old, "a"), with_key(new, "a"))) == 1


def test_a_clean_commit_gives_a_key_and_runs_without_one_have_rows_of_their_own(tmp_path):
    clean = {"id": "fedcba", "dirty": False}
    assert len(rows_of_records(*(record_of(tmp_path / "a", day, commit=clean) for day in (1, 2)))) == 1
    for number, commit in enumerate(({"id": "fedcba", "dirty": True}, {}), 1):
        records = [record_of(tmp_path / f"b{number}", day, commit=commit) for day in (1, 2)]
        assert len(rows_of_records(*records)) == 2


def test_from_three_runs_on_the_interval_is_over_runs(tmp_path):
    records = [record_of(tmp_path, day, speed) for day, speed in ((1, 1.0), (2, 1.1), (3, 1.3))]
    (two,) = rows_of_records(*records[:2])
    assert (two.runs.measured, two.runs.total.center) == ("3 processes", records[1].results[0].total.center)
    (three,) = rows_of_records(*records)
    medians = sorted(one.results[0].total.center for one in records)
    assert (three.runs.measured, three.runs.total.center) == ("3 runs", medians[1])
    assert three.runs.total.low < medians[0] and three.runs.total.high > medians[2]


def test_a_stack_that_learns_worse_has_no_rank(tmp_path):
    record = record_of(tmp_path)
    worse = replace(record, results=tuple(replace(one, learning=Learning.WORSE) for one in record.results))
    (row,) = rows_of_records(worse)
    assert row.rank.rank is None and "learns worse" in row.rank.missing_because


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": {"identity": "surrogate"}}, "its data is surrogate, not MNIST"),
        ({"dataset": None}, "its data is unknown, not MNIST"),
        ({"recipe": {"batch_size": 100}}, "its recipe is not the canonical one"),
        ({"replicates": [reference_replicate(1, 0.95, 4.0, num_epochs=2)]}, "it trained 2 epochs, not 20"),
        ({"environment": {"passed": {"A": "1"}, "dropped": []}}, "it was measured with A=1"),
    ],
)
def test_what_is_not_canonical_comes_last_without_a_rank(tmp_path, changes, reason):
    record = record_of(tmp_path, 1)
    other = record_of(tmp_path, 2, speed=9.0, **changes)
    rows = rows_of_records(record, other)
    assert [row.rank.rank is None for row in rows] == [False, True]
    assert rows[1].rank.missing_because == f"not canonical: {reason}"


def test_too_few_processes_have_no_rank_and_no_interval(tmp_path):
    (row,) = rows_of_records(record_of(tmp_path, replicates=[reference_replicate(1, 0.9827, 40.0)]))
    assert row.rank.rank is None and "fewer than 3" in row.rank.missing_because
    assert row.runs.total.low is None


# --- changes ----------------------------------------------------------------------------------------------------------


def test_changes_are_named_with_both_values_and_a_fact_not_recorded_has_not_changed():
    runs = [
        {"packages": {"numpy": "1.0"}, "governor": "powersave", "load_average_1min": 0.1},
        {"packages": {"numpy": "2.0"}, "load_average_1min": 0.9},
        {"packages": {"numpy": "2.0"}, "governor": "performance", "smt": "on"},
    ]
    texts = changes_of(runs)
    assert texts == [[], ["packages numpy 1.0 to 2.0"], ["governor powersave to performance"]]


def test_the_summary_of_a_committed_record_is_what_the_board_checks(tmp_path):
    """A summary may have more fields than the board knows."""
    run = write_run(tmp_path)
    write_summary(run, ratio_to_reference=1.5)
    content = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**content, "ranking": []}))
    assert read_record(run, "it", True).results
