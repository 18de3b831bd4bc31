"""Data parallelism by hand: strong and weak, the all-reduce, learning, and an emulation that is called one."""

import json

import pytest
from click.testing import CliRunner
from example_run import case, measurement, reference_replicate, replicate, write_example_run
from plotly.graph_objects import Figure
from words import row, titles, write_words

from bench import cli
from bench.document.svg import svg_of_chart
from bench.records.run_folder import RunFolder
from bench.report.charts.scaling import devices_chart
from bench.report.run.analysis import RunAnalysis

DRIFT = (1.0, 2.0, 1.1)


def process(seconds, number, devices=None, batch_size=500, device="cuda", accuracy=0.97, reduction=0.0005):
    emulated = devices is not None and device == "cpu"
    trained = {"epochs": 3, "validation_loss": 0.1, "validation_accuracy": accuracy}
    rows = [{"copy": one, "emulated": emulated, **trained} for one in range(1, (devices or 1) + 1)]
    epochs = measurement("train_epoch", [seconds * DRIFT[number]] * 3, examples=50_000, scaling=rows)
    measured = [epochs, measurement("all_reduce", [reduction] * 5)] if devices else [epochs]
    keys = {"backend": "torch", "variant": "ddp" if devices else "eager", "device": device, "cache": None}
    own = case("devices", **keys, precision="float32", threads=2, batch_size=batch_size, devices=devices)
    return {**replicate(own, measured), "round": number}


# (seconds of an epoch, devices, global batch): by hand 1.25 and 1.6 times as fast as 2 s.
POINTS = [(2.0, None, 500), (2.2, 1, 500), (1.6, 2, 500), (1.25, 2, 1000)]


def rounds(points=POINTS, num_rounds=3, **more):
    return [
        process(seconds, number, devices, batch_size, **more)
        for number in range(num_rounds)
        for seconds, devices, batch_size in points
    ]


@pytest.fixture
def written(tmp_path):
    def written(replicates):
        path = write_example_run(tmp_path, replicates)
        return write_words(path), json.loads((path / "summary.json").read_text()), path

    return written


def test_strong_and_weak_are_apart_and_both_against_the_plain_training(written):
    text, summary, _ = written(rounds())
    assert "Devices: data-parallel training on cuda" in titles(text)
    assert "torch/eager on cuda: the plain training without communication." in text
    strong, weak = (row(text, "torch/ddp on cuda", mode) for mode in ("strong", "weak"))
    assert strong[6:9] == ["1.25", "1.25 to 1.25", "62.5 %"] and weak[6:9] == ["1.60", "1.60 to 1.60", "80.0 %"]
    assert row(text, "torch/ddp on cuda", "strong and weak")[6] == "0.909"  # DDP alone costs a tenth
    assert [point["mode"] for point in summary["devices"]] == ["plain", "strong", "strong", "weak"]


def test_the_all_reduce_explains_the_loss(written):
    """By hand: 100 all-reduces of 0.5 ms in an epoch of 1.6 s times the median drift of 1.1; 50 in the weak one."""
    text, _, _ = written(rounds())
    assert row(text, "torch/ddp on cuda", "strong")[9:11] == ["500 µs", "2.8 %"]
    assert row(text, "torch/ddp on cuda", "weak")[9:11] == ["500 µs", "1.8 %"]


def test_a_larger_global_batch_that_learns_less_is_named(written):
    text, _, _ = written([*rounds(POINTS[:3]), *rounds(POINTS[3:], accuracy=0.94)])
    assert "2 devices and a global batch of 1,000 reaches 94.00 % in as many epochs" in text
    assert "it makes fewer updates" in text


def test_emulation_is_called_so_and_has_no_speed(written):
    text, summary, path = written(rounds(device="cpu"))
    assert "Devices: data-parallel training, emulated on one CPU" in titles(text)
    assert "share the cores of one CPU" in text and "nothing is ranked by them" in text
    assert "speed-up" not in text and "efficiency" not in text
    assert summary["ranking"] == [] and [point["emulated"] for point in summary["devices"]] == [False, True, True, True]
    assert devices_chart("devices", RunAnalysis(RunFolder.open(path))) is None


def test_real_devices_have_a_chart(written):
    _, _, path = written(rounds())
    chart = devices_chart("devices", RunAnalysis(RunFolder.open(path)))
    assert "the largest is 1.60, torch/ddp on cuda, weak, with 2" in chart.alt
    assert list(chart.data["scaling"]) == ["strong", "strong", "weak"] and "<path" in svg_of_chart(chart)
    assert Figure(chart.figure).data  # it refuses what Plotly does not know


def test_without_the_plain_training_there_is_no_speed_up(written):
    text, summary, _ = written(rounds(POINTS[1:]))
    assert all(point["speedup"] is None for point in summary["devices"])
    assert "The plain training is missing." in text and "ddp on cuda: the plain training" not in text


def test_two_machines_scale_side_by_side_but_not_with_emulated_devices(tmp_path):
    faster = [(seconds / 2, *rest) for seconds, *rest in POINTS[:2]] + [(0.64, 2, 500)]  # 1 s by 0.64 s: 1.56
    for device, shown in (("cuda", True), ("cpu", False)):
        paths = [
            write_example_run(tmp_path / device, rounds(points, device=device), run_id=name)
            for name, points in (("one", POINTS), ("two", faster))
        ]
        done = CliRunner().invoke(cli.main, ["compare", *map(str, paths)])
        assert done.exit_code == 0, done.output
        part = done.output.partition("Devices: scaling side by side")[2]
        assert bool(part) == shown
        if shown:
            line = next(line for line in part.splitlines() if " 2 " in line and " 500 " in line)
            assert {"1.25", "62.5", "1.56", "78.1"} <= set(line.split())


def test_a_machines_page_on_the_board_has_the_newest_points_but_not_of_a_quick_run(tmp_path):
    record = write_example_run(tmp_path / "records", [*rounds(), reference_replicate(1, 0.9827, 39.0)])
    later = {"run_id": "20991231-000000-quick", "started_at": "2099-12-31T00:00:00+00:00", "mode": "quick"}
    write_example_run(tmp_path / "records", [*rounds(POINTS[:2]), reference_replicate(1, 0.9827, 39.0)], **later)
    done = CliRunner().invoke(cli.main, ["board", str(tmp_path / "records"), "--output", str(tmp_path / "board")])
    assert done.exit_code == 0, done.output
    (page,) = (tmp_path / "board" / "machines").glob("*/index.html")
    assert "Devices: data-parallel training on cuda" in page.read_text()
    assert f"Of {record.name}, the newest run" in page.read_text()
    assert "torch/ddp on cuda,strong,2,500,False" in (page.parent / "devices.csv").read_text()
