"""Run folders from literals -> series, what they did, and how it is told."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
from click.testing import CliRunner
from example_run import case, header, measurement, reference_replicate, replicate, write_example_run

from bench import cli
from bench.document.section import to_markdown
from bench.errors import BenchError
from bench.records.run_folder import SCHEMA_VERSION
from bench.report.compare import StackMeasurement
from bench.report.history import find_runs, history
from bench.report.history.plot import trend_svg
from bench.report.history.sections import MAX_TREND_RUNS, history_sections, is_headline, sparkline, verdict
from bench.report.history.tables import to_csv, to_json
from bench.stats.change_points import MIN_RUNS, TrendShape

EPOCH = StackMeasurement("theano/as_published on cpu", "train_epoch")
WORK = "dataset, recipe or variables of --env"
PASSED = {"passed": {"OPENBLAS_CORETYPE": "Prescott"}, "dropped": []}
WOBBLE = [1.0, 1.004, 0.997, 1.002, 0.999, 1.003, 0.998, 1.001, 1.002, 0.997]


def write_runs(runs_dir, levels, machines=None, codes=None, **changes):
    """A run a day with one level each of the training epoch; ``machines`` replace facts of its machine."""
    for day, level in enumerate(levels, start=1):
        epoch = measurement("train_epoch", [level * WOBBLE[day % len(WOBBLE)]], examples=50_000)
        facts = {**header()["machine"], **((machines or {}).get(day, {}))}
        write_example_run(
            runs_dir,
            [{**replicate(case("epoch", batch_size=500), [epoch]), "code": (codes or {}).get(day)}],
            **{
                "run_id": f"day-{day:02d}",
                "started_at": f"2026-01-{day:02d}T00:00:00+00:00",
                "machine": facts,
                **changes,
            },
        )
    return runs_dir


def on(days, facts):
    """Set the machine of the runs of these days."""
    return {day: facts for day in days}


def series_of(runs_dir):
    return history(find_runs([runs_dir])).series


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.setattr(cli, "console", cli.Console(soft_wrap=True, width=200))
    monkeypatch.setattr(cli, "errors", cli.Console(stderr=True, soft_wrap=True, width=200))
    return lambda *arguments: CliRunner().invoke(cli.main, ["history", *map(str, arguments)])


# --- series -------------------------------------------------------------------------------------------------------


def test_a_series_is_in_the_order_in_which_the_runs_started(tmp_path):
    for day, run_id in ((3, "a"), (1, "b"), (2, "c")):
        write_example_run(
            tmp_path,
            [replicate(case("epoch"), [measurement("train_epoch", [float(day)])])],
            run_id=run_id,
            started_at=f"2026-01-0{day}T00:00:00+00:00",
        )
    (series,) = series_of(tmp_path)
    assert [(point.run, point.seconds.center) for point in series.points] == [("b", 1.0), ("c", 2.0), ("a", 3.0)]


def test_a_step_is_told_with_the_run_from_which_on(tmp_path):
    found = history(find_runs([write_runs(tmp_path, [2.0] * 5 + [2.2] * 5)]))
    (series,) = found.series
    assert series.trend.shape is TrendShape.STEPS
    text = to_markdown("", history_sections(found))
    assert "a factor of 1.10 from day-06 on" in text
    assert "a factor of 1.10 from here on" in text


def test_a_row_of_five_small_slips_is_a_change_that_says_what_it_adds_up_to(tmp_path):
    (series,) = series_of(write_runs(tmp_path, [1.02**slips for slips in range(6) for _ in range(3)]))
    assert series.changed
    assert verdict(series) == "drifts by a factor of 1.006 per run, 1.11 in all"
    assert to_json(history(find_runs([tmp_path])))["series"][0]["total_ratio"] == pytest.approx(1.11, abs=0.01)


@pytest.mark.parametrize(
    ("codes", "machines", "reason"),
    [
        ({day: "aa" for day in range(11)}, {}, "on"),
        ({day: "aa" if day < 6 else "bb" for day in range(11)}, {}, "on (the code changed (0123456..0123456))"),
        ({}, on(range(6, 11), {"packages": {"theano": "1.0.6"}}), "on (theano 1.0.5, then 1.0.6)"),
    ],
)
def test_a_step_names_the_change_of_code_and_versions_at_its_run(tmp_path, codes, machines, reason):
    (series,) = series_of(write_runs(tmp_path, [2.0] * 5 + [2.2] * 5, machines, codes))
    assert verdict(series) == f"a factor of 1.10 from day-06 {reason}"


def test_another_machine_has_a_series_of_its_own_and_no_step(tmp_path):
    """The epochs double when the machine changes: that is no change of the software."""
    bigger = on(range(9, 17), {"usable_cores": 8, "cpu_model": "Another CPU"})
    found = history(find_runs([write_runs(tmp_path, [2.0] * 8 + [1.0] * 8, bigger)]))
    assert [(series.conditions.number, len(series.points)) for series in found.series] == [(1, 8), (2, 8)]
    assert {series.trend.shape for series in found.series} == {TrendShape.CONSTANT}
    text = to_markdown("", history_sections(found))
    assert "measured under 2 conditions" in text
    assert "2 (Another CPU, 8 cores)" in text and "cpu model, usable cores" in text


def test_runs_of_two_machines_in_turns_are_two_series(tmp_path):
    turns = on(range(2, 11, 2), {"usable_cores": 8})
    assert [len(series.points) for series in series_of(write_runs(tmp_path, [1.0] * 10, turns))] == [5, 5]


def test_an_update_of_the_software_is_no_other_machine(tmp_path):
    updated = on(range(6, 11), {"packages": {"numpy": "2.4.6"}, "os": "Linux 7"})
    assert len(series_of(write_runs(tmp_path, [1.0] * 5 + [1.2] * 5, updated))) == 1


def test_a_record_older_than_a_fact_belongs_to_the_same_machine(tmp_path):
    newer = on(range(4, 9), {"numa_nodes": 1})
    assert [len(series.points) for series in series_of(write_runs(tmp_path, [1.0] * 8, newer))] == [8]


def test_other_data_another_recipe_and_other_variables_are_other_conditions(tmp_path):
    write_runs(tmp_path / "mnist", [1.0] * 2)
    others = ({"dataset": {"identity": "surrogate"}}, {"recipe": {"batch_size": 64}}, {"environment": PASSED})
    for number, changes in enumerate(others):
        write_example_run(
            tmp_path,
            [replicate(case("epoch"), [measurement("train_epoch", [1.0])])],
            run_id=f"other-{number}",
            started_at=f"2026-02-0{number + 1}T00:00:00+00:00",
            **changes,
        )
    found = history(find_runs([tmp_path]))
    assert [one.differs_by for one in found.conditions] == [[], [WORK], [WORK], [WORK]]


def test_two_epochs_and_twenty_are_never_one_series(tmp_path):
    for number, epochs in enumerate((20, 2)):
        write_example_run(
            tmp_path,
            [reference_replicate(1, 0.98, 2.0 * epochs, num_epochs=epochs)],
            run_id=f"run-{number}",
            recipe={**header()["recipe"], "num_epochs": epochs},
        )
    clocks = [series.metric.measurement for series in series_of(tmp_path) if is_headline(series.metric)]
    assert clocks == ["reference clock, 20 epochs", "reference clock, 2 epochs"]


def test_a_record_is_a_copy_of_a_run_and_counts_once(tmp_path):
    write_runs(tmp_path / "runs", [1.0] * 3)
    write_runs(tmp_path / "records" / "machine", [1.0] * 2)
    assert history(find_runs([tmp_path])).num_runs == 3


# --- what is told -------------------------------------------------------------------------------------------------


def test_too_few_runs_say_how_many_are_needed(tmp_path):
    found = history(find_runs([write_runs(tmp_path, [1.0, 2.0, 3.0])]))
    assert f"too few runs: 3 of {MIN_RUNS}" in to_markdown("", history_sections(found, everything=True))
    assert f"1 had too few runs (at most 3 of {MIN_RUNS})" in to_markdown("", history_sections(found))


def test_of_hundreds_of_runs_only_what_changed_is_printed(tmp_path, invoke):
    """A step in one of two measurements, and the same remark on every run: some twenty lines, and not hundreds."""
    for number in range(120):
        name, when = f"run-{number:03d}", f"2026-01-01T{number // 60:02d}:{number % 60:02d}:00+00:00"
        wobble = WOBBLE[number % len(WOBBLE)]
        timed = [
            measurement("train_epoch", [wobble if number < 80 else 1.3 * wobble]),
            measurement("validate_epoch", [wobble]),
        ]
        replicates = [replicate(case("epoch", batch_size=500), timed)]
        write_example_run(tmp_path, replicates, run_id=name, started_at=when, mode="quick")
    lines = invoke(tmp_path).stdout.splitlines()
    assert len(lines) < 30
    text = "\n".join(lines)
    assert "1 of 2 series changed, 1 did not" in text
    assert "from run-080 on" in text and "run-077" in text and "run-060" not in text
    assert "120 runs (run-000 to run-119): it is a quick run" in text
    assert len(invoke(tmp_path, "--all").stdout.splitlines()) > 240


def test_a_sparkline_spans_from_the_shortest_to_the_longest():
    assert sparkline([1.0, 2.0, 1.5]) == "▁█▅"
    assert sparkline([1.0, 1.0]) == "▅▅"
    assert len(sparkline([float(number) for number in range(200)])) == MAX_TREND_RUNS


def test_csv_has_a_row_for_each_run_and_metric(tmp_path):
    found = history(find_runs([write_runs(tmp_path, [2.0] * 5 + [3.0] * 5)]))
    header_row, *rows = [line.split(",") for line in to_csv(found).splitlines()]
    assert len(rows) == 10
    steps = {row[header_row.index("run")]: row[header_row.index("step_ratio")] for row in rows}
    assert [run for run, ratio in steps.items() if ratio] == ["day-06"]
    assert all(row[header_row.index("low_seconds")] == "" for row in rows)  # one process knows no interval


def test_json_names_the_run_of_a_step(tmp_path):
    (series,) = to_json(history(find_runs([write_runs(tmp_path, [2.0] * 5 + [3.0] * 5)])))["series"]
    assert series["shape"] == "steps"
    assert (series["steps"][0]["run"], series["steps"][0]["ratio"]) == ("day-06", pytest.approx(1.5, rel=0.01))
    assert len(series["points"]) == 10


def test_the_plot_is_drawn_with_every_run_and_step_and_is_the_same_each_time(tmp_path):
    chosen = series_of(write_runs(tmp_path, [2.0] * 5 + [3.0] * 5))
    svg = trend_svg(chosen)
    assert svg == trend_svg(chosen)
    root = ElementTree.fromstring(svg)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"train_epoch", "theano/as_published on cpu", "2026-01-01"} <= texts
    assert svg.count("stroke-dasharray: 3.7") == 1  # the step's dashed line


def test_a_plot_of_nothing_is_refused():
    with pytest.raises(BenchError, match="no trend to draw"):
        trend_svg([])


# --- the command and bad input ------------------------------------------------------------------------------------


def test_the_command_writes_what_it_is_asked_for(tmp_path, invoke):
    runs = write_runs(tmp_path / "runs", [2.0] * 5 + [2.4] * 5)
    files = {name: tmp_path / f"h.{name}" for name in ("svg", "markdown", "csv")}
    result = invoke(runs, *(text for name, path in files.items() for text in (f"--{name}", path)))
    assert result.exit_code == 0, result.output
    assert "a factor of 1.20 from day-06 on" in result.stdout
    assert files["svg"].read_text().startswith("<?xml")
    assert "day-06" in files["markdown"].read_text() and "day-06" in files["csv"].read_text()
    assert json.loads(invoke(runs, "--json").stdout)["num_runs"] == 10
    assert invoke(runs, "--csv", "-").stdout == files["csv"].read_text()
    refused = invoke(runs, "--csv", "-", "--json")
    assert refused.exit_code == 2 and "--csv and --json both name -" in refused.stderr


def test_a_stack_and_a_measurement_can_be_chosen(tmp_path, invoke):
    runs = write_runs(tmp_path, [1.0] * 2)
    assert "train_epoch" in invoke(runs, "--stack", "theano", "--all").stdout
    assert "train_epoch" in invoke(runs, "--measurement", "all", "--all").stdout


def test_what_no_run_measured_is_refused_with_what_they_did_measure(tmp_path, invoke):
    runs = write_runs(tmp_path, [1.0] * 2)
    for option, value, measured in (("--stack", "jax", EPOCH.stack), ("--measurement", "train_step", "train_epoch")):
        refused = invoke(runs, option, value, "--csv", tmp_path / "h.csv")
        assert refused.exit_code == 2 and not (tmp_path / "h.csv").exists()
        assert f"no run measured '{value}'; measured were {measured}." in refused.stderr
    loading = replicate(case("data", backend=None, variant=None), [measurement("load", [0.1])])
    write_example_run(runs, [loading], run_id="loading")
    assert f"measured were {EPOCH.stack}." in invoke(runs, "--stack", "jax").stderr


def test_runs_that_measured_nothing_have_no_series_and_all_is_no_mistake(tmp_path, invoke):
    write_example_run(tmp_path, [])
    assert invoke(tmp_path, "--measurement", "all").exit_code == 0
    assert "measured were none" in invoke(tmp_path, "--stack", "theano").stderr


def test_an_empty_folder_is_one_sentence(tmp_path, invoke):
    for folder in (tmp_path, tmp_path / "nowhere"):
        result = invoke(folder)
        assert result.exit_code == cli.BAD_INPUT
        assert "there are no runs in" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_run_that_cannot_be_read_costs_itself_and_is_named(tmp_path, invoke):
    write_runs(tmp_path, [1.0] * 3)
    write_example_run(tmp_path, [], run_id="newer", schema_version=SCHEMA_VERSION + 1)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    (tmp_path / "day-02" / "replicates" / "0001.json").write_text("{")
    write_example_run(tmp_path, [], run_id="timeless", started_at=None)
    result = invoke(tmp_path)
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    for text in (
        f"schema version {SCHEMA_VERSION + 1}",
        "damaged/run.json is damaged",
        "timeless: it has no start time",
    ):
        assert text in told
    assert "day-02: 0001.json cannot be read" in told


def test_where_no_run_can_be_read_the_reasons_are_the_sentence(tmp_path, invoke):
    write_example_run(tmp_path, [], run_id="newer", schema_version=SCHEMA_VERSION + 1)
    result = invoke(tmp_path)
    assert result.exit_code == cli.BAD_INPUT
    assert "no run can be read" in result.stderr and "update" in result.stderr


def test_a_hostile_machine_stays_text_and_short(tmp_path, invoke):
    facts = on((1, 2), {"cpu_model": "[red]$x$</svg><script>|" + "y" * 10_000_000})
    runs = write_runs(tmp_path / "runs", [1.0] * 3, facts)
    result = invoke(runs, "--all", "--markdown", tmp_path / "h.md", "--svg", tmp_path / "h.svg")
    assert result.exit_code == 0, result.output
    assert len(result.stdout) < 20_000 and "[red]$x$</svg>" in result.stdout
    assert "<script>" not in (tmp_path / "h.md").read_text()
    ElementTree.fromstring((tmp_path / "h.svg").read_text())
