"""Strong scaling: speed-up by hand, honest small tables, laws on enough points, advice, and two runs side by side."""

import json

import pytest
from click.testing import CliRunner
from example_run import case, header, measurement, replicate, write_example_run
from plotly.graph_objects import Figure
from words import row, section, write_words

from bench import cli
from bench.cli import run as run_command
from bench.document.svg import svg_of_chart
from bench.errors import BenchError
from bench.records.frames import load_runs
from bench.records.run_folder import RunFolder
from bench.report.charts.scaling import threads_chart
from bench.report.run.analysis import RunAnalysis
from bench.report.run.thread_advice import best_threads, thread_advice

TITLE = "Threads: scaling of one training"
TUNED, NAME = ("theano", "tuned", "cpu"), "theano/tuned on cpu"
DRIFT = (1.0, 2.0, 1.1)  # the machine was half as fast in the second round


def process(threads, seconds, number, accuracy=0.97, physical=None, kinds=1, **changes):
    """A process of three epochs of ``seconds``, slowed by the drift of its round."""
    cpus = "0" if threads == 1 else f"0-{threads - 1}"
    placed = {"cpus": cpus, "physical_cores": physical or threads, "numa_nodes": 1, "core_kinds": kinds}
    trained = {"clock_mhz": 3000.0, "epochs": 3, "validation_loss": 0.1, "validation_accuracy": accuracy}
    epochs = measurement("train_epoch", [seconds * DRIFT[number]] * 3, examples=50_000, scaling=[placed | trained])
    keys = {"variant": "tuned", "precision": "float32", "threads": threads, "batch_size": 500, **changes}
    return {**replicate(case("threads", **keys), [epochs]), "round": number}


def engine(threads, products_seconds, copy_seconds, number):
    own = case("threads", backend=None, variant=None, cache=None, threads=threads, batch_size=500)
    measured = [
        measurement("eight_products", [products_seconds * DRIFT[number]]),
        measurement("copy", [copy_seconds * DRIFT[number]], bytes=2 * 10**9),
    ]
    return {**replicate(own, measured), "round": number}


def rounds(seconds, num_rounds=3, **changes):
    return [
        process(threads, one, number, **changes) for number in range(num_rounds) for threads, one in seconds.items()
    ]


@pytest.fixture
def written(tmp_path):
    def written(replicates, **changes):
        path = write_example_run(tmp_path, replicates, **changes)
        return section(write_words(path), TITLE), json.loads((path / "summary.json").read_text())["threads"], path

    return written


def analysed(tmp_path, replicates, **machine):
    changes = {"machine": {**header()["machine"], **machine}}
    return RunAnalysis(RunFolder.open(write_example_run(tmp_path, replicates, **changes))).thread_scalings


def test_two_cores_give_an_honest_table_of_two_points_and_no_law(written):
    """By hand: 2.0 s to 1.25 s is 1.6 times as fast, 80 % of two; the drift of the rounds cancels."""
    text, (summary,), _ = written(rounds({1: 2.0, 2: 1.25}))
    assert row(text, "2")[1:2] + row(text, "2")[4:6] == ["0-1", "1.60", "1.60 to 1.60"]
    assert "80.0 %" in row(text, "2")
    assert "No law of scaling is fitted to fewer than 4 numbers of threads on equal physical cores; here are 2." in text
    assert f"{NAME} is fastest with 2 threads, the default here." in text
    assert summary["laws"] is None and summary["advised_threads"] is None


def test_a_single_core_is_one_row_and_compares_nothing(written):
    text, (summary,), _ = written(rounds({1: 2.0}))
    assert f"{NAME} was measured with 1 thread only: nothing is compared." in text
    assert summary["fastest_threads"] == 1


def test_a_smaller_number_of_threads_that_is_shown_to_be_faster_is_advised(written):
    text, (summary,), _ = written(rounds({1: 1.0, 2: 1.5}))
    assert f"{NAME} is 1.50 times as fast with 1 thread as with the default of 2 (" in text
    assert "--threads best" in text and summary["advised_threads"] == 1


def test_one_round_advises_nothing(written):
    text, (summary,), _ = written(rounds({1: 1.0, 2: 1.5}, num_rounds=1))
    assert "no number of threads is shown to be faster than the default of 2; the shortest" in text
    assert (summary["advised_threads"], summary["fastest_threads"]) == (None, 1)


def test_more_threads_that_learn_worse_are_not_the_fastest(written):
    one, two = rounds({1: 2.0}), rounds({2: 1.0}, accuracy=0.90)
    text, (summary,), _ = written([*one, *two])
    assert f"{NAME} with 2 threads learns worse than with one: it is not advised." in text
    assert summary["fastest_threads"] == 1


def test_four_points_on_equal_cores_have_both_laws(written):
    """Exact curve of the universal law with contention 0.05 and coherency 0.01."""
    seconds = {n: (1 + 0.05 * (n - 1) + 0.01 * n * (n - 1)) / n for n in (1, 2, 4, 8)}
    text, (summary,), path = written(rounds(seconds))
    assert summary["laws"]["usl"]["sigma"] == pytest.approx(0.05)
    assert summary["laws"]["usl"]["best_count"] == pytest.approx((0.95 / 0.01) ** 0.5)
    assert "by the universal scalability law: contention 0.0500 (0.0500 to 0.0500)" in text
    assert "No law" not in text
    chart = threads_chart("threads", RunAnalysis(RunFolder.open(path)))
    assert "theano/tuned on cpu reaches 4.19" in chart.alt
    assert list(chart.data["threads"]) == [1, 2, 4, 8] and chart.data["efficiency"].iloc[0] == pytest.approx(1)
    assert svg_of_chart(chart).count("<path") > 8
    assert Figure(chart.figure).data  # it refuses what Plotly does not know


@pytest.mark.parametrize("changes", [{"physical": 1}, {"kinds": 2}])
def test_smt_siblings_and_slower_cores_are_in_no_law(tmp_path, changes):
    equal, others = rounds({1: 8.0, 2: 4.0, 4: 2.0}), rounds({8: 1.5}, **changes)
    (found,) = analysed(tmp_path, [*equal, *others])
    assert found.laws is None and found.points[-1].threads == 8


def test_the_limits_are_the_products_the_rest_memory_and_the_clock(written):
    """By hand: 1.25 s is 0.25 s more than 2.0/2; the products of 100 steps 0.8 s to 0.5 s are 0.1 s of it."""
    engines = [engine(threads, *one, number) for number in (0, 2) for threads, one in ENGINES.items()]
    text, _, _ = written([*rounds({1: 2.0, 2: 1.25}), *engines])
    assert f"{NAME} with 2 threads: 275 ms more than 1/2 of the one-thread epoch" in text  # times the drift of 1.1
    assert "105 ms in the matrix products" in text  # times that of its two rounds, 1.05
    assert "memory copies are 1.50 times as fast" in text and "the clock is 1.00 times" in text


ENGINES = {1: (0.008, 0.3), 2: (0.005, 0.2)}


def test_products_longer_than_the_epoch_are_explained_and_no_part_of_it(written):
    text, _, _ = written([*rounds({1: 1.0, 2: 0.6}), engine(1, 0.02, 0.3, 0), engine(2, 0.02, 0.3, 0)])
    assert "the stack skips zeros" in text and "in the matrix products" not in text


def test_the_scaling_is_in_no_ranking_and_no_stack_of_the_run(written):
    _, _, path = written(rounds({1: 2.0, 2: 1.25}))
    summary = json.loads((path / "summary.json").read_text())
    assert summary["ranking"] == [] and list(summary["comparison_keys"]) == [NAME]
    frames = load_runs(path)
    assert len(frames.scaling) == 6 and set(frames.scaling["cpus"]) == {"0", "0-1"}
    assert "scaling.csv" in {file.name for file in path.iterdir()}


# --- advice from earlier runs -----------------------------------------------------------------------------------------


def test_the_latest_sweep_of_the_same_machine_gives_the_best_threads(tmp_path):
    machine = header()["machine"]
    plan = [{"case": case("threads"), "replicates": 3, "limit_seconds": 9.0, "expected_seconds": 1.0}]
    write_example_run(tmp_path, rounds({1: 2.0, 2: 1.0}), run_id="20260101", plan=plan)
    write_example_run(tmp_path, rounds({1: 1.0, 2: 1.5}), run_id="20260102", plan=plan)
    other = {**machine, "cpu_model": "Other CPU"}
    write_example_run(tmp_path, rounds({1: 2.0, 2: 1.0}), run_id="20260103", plan=plan, machine=other)
    (tmp_path / "20260104").mkdir()
    (tmp_path / "20260104" / "run.json").write_text("{")
    smaller = {**header()["recipe"], "batch_size": 64}
    write_example_run(tmp_path, rounds({1: 2.0, 2: 1.0}), run_id="20260105", plan=plan, recipe=smaller)
    advice = thread_advice(tmp_path, machine, 500)
    assert best_threads(advice, [TUNED]) == {TUNED: 1}
    assert "1.50 times as fast with 1 thread as with 2 in run 20260102" in advice[TUNED].sentence
    with pytest.raises(BenchError, match=r"no run here measured jax/scan .*--harness threads"):
        best_threads(advice, [TUNED, ("jax", "scan", "cpu")])


def test_a_quick_sweep_does_not_hide_what_an_earlier_one_has_shown(tmp_path):
    machine = header()["machine"]
    for run_id, seconds, num_rounds in [("20260101", {1: 1.0, 2: 1.5}, 3), ("20260102", {1: 2.0, 2: 1.0}, 1)]:
        plan = [{"case": case("threads"), "replicates": num_rounds, "limit_seconds": 9.0, "expected_seconds": 1.0}]
        write_example_run(tmp_path, rounds(seconds, num_rounds), run_id=run_id, plan=plan)
    advice = thread_advice(tmp_path, machine, 500)
    assert advice[TUNED].run_id == "20260101" and best_threads(advice, [TUNED]) == {TUNED: 1}


def test_best_threads_are_the_default_unless_others_are_shown_to_be_faster(tmp_path):
    (found,) = analysed(tmp_path, rounds({1: 1.0, 2: 1.5}, num_rounds=1))
    assert found.best_threads == 2


# --- side by side -----------------------------------------------------------------------------------------------------


def test_two_machines_scale_side_by_side(tmp_path):
    paths = [
        write_example_run(tmp_path, rounds(seconds), run_id=name)
        for name, seconds in (("one", {1: 2.0, 2: 1.25}), ("two", {1: 1.0, 2: 0.8}))
    ]
    done = CliRunner().invoke(cli.main, ["compare", *map(str, paths)])
    assert done.exit_code == 0, done.output
    assert "Threads: scaling side by side" in done.output
    line = next(line for line in done.output.splitlines() if line.startswith(f"{NAME}  2 "))
    assert {"1.60", "80.0", "1.25", "62.5"} <= set(line.split())


def test_a_run_warns_at_its_start_of_stacks_that_were_faster_with_other_threads(tmp_path, capsys):
    plan = [{"case": case("threads"), "replicates": 3, "limit_seconds": 9.0, "expected_seconds": 1.0}]
    write_example_run(tmp_path, rounds({1: 1.0, 2: 1.5}), run_id="20260102", plan=plan)
    for variant, warned in (("tuned", True), ("as_published", False)):
        planned = [{**plan[0], "case": case("epoch", variant=variant)}]
        run_command._advise_threads(RunFolder.open(write_example_run(tmp_path, [], plan=planned)), tmp_path)
        assert ("with 1 thread as with 2 in run 20260102" in " ".join(capsys.readouterr().err.split())) == warned
