"""Rate of copies by hand: the slowest copy counts, slow-down against the training alone, energy, the best split."""

import json

import pytest
from click.testing import CliRunner
from example_run import case, header, measurement, reference_replicate, replicate, write_example_run
from plotly.graph_objects import Figure
from words import row, section, write_words

from bench import cli
from bench.document.svg import svg_of_chart
from bench.records.run_folder import RunFolder
from bench.report.charts.scaling import copies_chart
from bench.report.run.analysis import RunAnalysis
from bench.units import MISSING

TITLE, NAME = "Copies: trainings side by side", "theano/tuned on cpu"
DRIFT = (1.0, 2.0, 1.1)


def process(threads, seconds, number, accuracy=0.98, joules=None):
    """A process with a copy for each of ``seconds``."""
    slowed = [one * DRIFT[number] for one in seconds]
    placed = [
        {
            **{"copy": copy, "cpus": str(copy - 1), "physical_cores": 1, "numa_nodes": 1, "core_kinds": 1},
            **{"total_seconds": one, "start_seconds": 1.0, "epochs": 20, "validation_loss": 0.1},
            **{"validation_accuracy": accuracy, "cpu_energy_joules": joules},
        }
        for copy, one in enumerate(slowed, 1)
    ]
    keys = {"variant": "tuned", "precision": "float32", "threads": threads, "batch_size": 500, "num_epochs": 20}
    own = case("copies", copies=len(seconds), **keys)
    return {**replicate(own, [measurement("training", slowed, scaling=placed)]), "round": number}


SPLITS = [(1, [36.0]), (2, [24.0]), (1, [40.0, 45.0])]  # (threads of each, seconds of each copy)


def rounds(splits=SPLITS, num_rounds=3, **more):
    return [process(threads, seconds, number, **more) for number in range(num_rounds) for threads, seconds in splits]


@pytest.fixture
def written(tmp_path):
    def written(replicates, **changes):
        path = write_example_run(tmp_path, replicates, **changes)
        return section(write_words(path), TITLE), json.loads((path / "summary.json").read_text())["copies"][0], path

    return written


def test_the_rate_is_of_the_slowest_copy_and_the_slow_down_of_the_same_round(written):
    """By hand: 2 * 3600 / (45 * 1.1) = 145 trainings per hour, 1.067 times 3600 / (24 * 1.1) = 136."""
    text, summary, _ = written(rounds())
    two = row(text, "2", "1")
    assert two[2] == "0; 1" and two[4] == "145"
    assert two[6] == "1.18" and two[8] == "1.25"  # 42.5 and 45 over 36
    assert row(text, "1", "1")[6:8] == [MISSING, MISSING]
    expected = "2 x 1 thread, 145 trainings per hour, 1.07 times that of 1 x 2 threads (95 % interval 1.07 to 1.07)."
    assert f"The best split of this machine for {NAME} is {expected}" in text
    assert summary["best"]["copies"] == 2 and summary["splits"][2]["worst_slowdown"] == pytest.approx(1.25)


def test_one_training_on_all_cores_can_be_the_best_split(written):
    text, _, _ = written(rounds([(1, [36.0]), (2, [20.0]), (1, [40.0, 45.0])]))
    assert f"The best split of this machine for {NAME} is 1 x 2 threads" in text and "that of 2 x 1 thread (" in text


def test_one_round_shows_no_difference_and_one_split_compares_nothing(written):
    text, _, _ = written(rounds(num_rounds=1))
    assert "too few rounds show no difference" in text
    text, summary, _ = written(rounds([(1, [36.0])]))
    assert "nothing is compared" in text and summary["gain"] is None


def test_noise_is_no_best_split(written):
    noisy = [process(1, [45.0, 45.0], 0), process(1, [54.0, 54.0], 1), process(1, [40.0, 40.0], 2)]
    alone = [process(2, [24.0], 0), process(2, [24.0], 1), process(2, [24.0], 2)]
    text, _, _ = written([*noisy, *alone])
    assert f"No split is shown to be the best for {NAME}" in text


def test_copies_that_learn_worse_are_not_the_best_split(written):
    text, summary, _ = written([*rounds(SPLITS[:2]), *rounds(SPLITS[2:], accuracy=0.90)])
    assert "learns worse than alone" in text and summary["best"]["copies"] == 1


def test_energy_of_a_training_is_a_share_of_all_copies(written):
    text, summary, _ = written([*rounds(SPLITS[:2], joules=1000.0), *rounds(SPLITS[2:], joules=1500.0)])
    assert [split["joules_per_training"] for split in summary["splits"]] == [1000.0, 1000.0, 750.0]
    assert "750 J" in text
    without, _, _ = written(rounds())
    assert "energy of a training" not in without  # unknown is no column, and no zero


def test_shorter_trainings_are_called_so(written):
    text, _, _ = written(rounds(), recipe={**header()["recipe"], "num_epochs": 2})
    assert "of 2 epochs, which are not the canonical 20" in text


def test_copies_are_no_reference_runs_and_have_a_chart(written):
    _, _, path = written(rounds())
    analysis = RunAnalysis(RunFolder.open(path))
    assert analysis.ranking == [] and analysis.answers == [] and analysis.frames.results.empty
    chart = copies_chart("copies", analysis)
    assert f"{NAME} reaches 145 with 2 x 1 thread" in chart.alt
    assert list(chart.data["copies"]) == [1, 1, 2] and "<path" in svg_of_chart(chart)
    assert Figure(chart.figure).data  # it refuses what Plotly does not know


def test_an_invalid_time_costs_its_process(written):
    bad = process(1, [0.0, 45.0], 0)
    _, summary, _ = written([*rounds(SPLITS[:2]), bad])
    assert len(summary["splits"]) == 2


def test_two_machines_have_their_rates_side_by_side(tmp_path):
    splits = {"one": SPLITS, "two": [(1, [18.0]), (2, [12.0]), (1, [20.0, 22.5])]}
    paths = [write_example_run(tmp_path, rounds(own), run_id=name) for name, own in splits.items()]
    done = CliRunner().invoke(cli.main, ["compare", *map(str, paths)])
    assert done.exit_code == 0, done.output
    part = done.output.partition("Copies: rate side by side")[2]
    line = next(line for line in part.splitlines() if "2 x 1 thread" in line)
    assert {"145", "291"} <= set(line.split())


def test_a_machines_page_on_the_board_has_the_newest_rates(tmp_path):
    record = write_example_run(tmp_path / "records", [*rounds(), reference_replicate(1, 0.9827, 39.0)])
    done = CliRunner().invoke(cli.main, ["board", str(tmp_path / "records"), "--output", str(tmp_path / "board")])
    assert done.exit_code == 0, done.output
    (page,) = (tmp_path / "board" / "machines").glob("*/index.html")
    assert (
        "Copies: trainings side by side" in page.read_text() and f"Of {record.name}, the newest run" in page.read_text()
    )
    assert "2,1,145" in (page.parent / "copies.csv").read_text()
    assert not (page.parent / "threads.csv").exists()
