"""The report of several stacks in one interleaved run: ranked, compared, judged, and drawn."""

import io
import json
from pathlib import Path

import pytest
from example_race import ACCURACIES, BATCH_SIZES, CALM, RACERS, SKIPPED, epoch_replicate, race, write_race
from example_run import gpu_reference_replicate, header, planned, write_example_run
from rich.console import Console
from words import row, section, titles, write_words

import bench
from bench.records.run_folder import RunFolder
from bench.report.charts.style import drawn_stacks, styles_of
from bench.report.run.analysis import RunAnalysis
from bench.report.run.answer import answer_section
from bench.report.run.ranking import cost_sections
from bench.report.run.summary import summarize
from bench.report.write import analysis_of, print_report, write_report
from bench.units import MISSING

GOLDEN = Path(__file__).with_name("golden_race.md")
THEANO, JAX_CPU, JAX_CUDA, TORCH_CPU, TORCH_CUDA = RACERS
RECORDS = Path(__file__).resolve().parents[3] / "results" / "records"


@pytest.fixture(scope="module")
def race_run(tmp_path_factory):
    """The folder of the race as it is, with its reports: to be read only."""
    path = write_race(tmp_path_factory.mktemp("race"))
    write_report(path)
    return path


@pytest.fixture(scope="module")
def race_report(race_run):
    """The text of its report.md."""
    return (race_run / "report.md").read_text(encoding="utf-8")


@pytest.fixture
def report(tmp_path):
    """The text of report.md, without pictures, for ``racers`` under a header with ``changes``."""

    def report(racers=RACERS, **changes):
        return write_words(write_race(tmp_path, racers, **changes))

    return report


# --- the whole ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_whole_report_of_the_race(race_report):
    """After a wanted change: write the new text to the golden file, and read its diff."""
    assert race_report == GOLDEN.read_text(encoding="utf-8")


def test_the_numbers_in_the_golden_report_are_those_of_the_literals():
    """By hand: jax on cuda takes 0.05 s where theano takes 2.0 s and jax on the CPU 1.5 s; its crossing is algebra."""
    text = GOLDEN.read_text(encoding="utf-8")
    assert row(section(text, "Ranking"), "2", "jax/step on cuda")[3] == "40.0 (40.0 to 40.0)"
    ratio = row(section(text, "GPU against CPU"), "same variant, jax/step")[-2]
    assert float(ratio) == pytest.approx(1.5 / 0.05, rel=0.01)
    crossing = (JAX_CUDA.overhead_seconds - JAX_CPU.overhead_seconds) / (
        JAX_CPU.example_seconds - JAX_CUDA.example_seconds
    )
    assert f"ahead from a batch size of about {crossing:.2f} on (between the measured 1 and 8)" in text
    clock = 0.5 + 0.1 + 0.8 + 6 * (0.05 + 0.05 / 30)  # loading, building, compiling, and six epochs
    assert row(section(text, "Time to 98.0 %"), "jax/step on cuda")[3:] == ["6", "310 ms", f"{clock:.2f} s"]


def test_the_ranking_comes_right_after_the_answer(race_report):
    assert titles(race_report)[:2] == ["The canonical workload on this machine", "Ranking"]


@pytest.mark.slow
def test_one_stack_has_no_ranking_and_no_comparison(report):
    found = titles(report([THEANO], skipped=[]))
    assert not {"Ranking", "GPU against CPU", "Batch size: examples/s of a training step"} & set(found)


@pytest.mark.slow
def test_the_terminal_shows_the_ranking_in_60_lines_and_names_the_rest(tmp_path):
    analysis = analysis_of(write_race(tmp_path))

    def printed(whole):
        console = Console(file=io.StringIO(), width=120)
        print_report(analysis, console, whole)
        return console.file.getvalue().splitlines()

    lines, everything = printed(False), printed(True)
    assert {"Ranking", "GPU against CPU", "Failures", "Skipped"} <= set(lines) and len(lines) <= 60
    rest = ("Reference run", "Batch size", "The machine", "Test accuracy over seeds", "How to reproduce")
    assert not [line for line in lines if line.startswith(rest)]
    named = " ".join(lines).partition("Only in the report: ")[2]
    assert all(title in named for title in rest)
    assert all(any(line.startswith(title) for line in everything) for title in rest)


@pytest.mark.slow
def test_a_narrow_terminal_folds_names_and_cuts_none(tmp_path):
    console = Console(file=io.StringIO(), width=80)
    print_report(write_race(tmp_path), console)
    assert "…" not in console.file.getvalue()


# --- the answer -----------------------------------------------------------------------------------------------------


def test_the_answer_has_one_sentence_for_the_canonical_stack_and_one_for_the_fastest(race_report):
    answer = section(race_report, "The canonical workload")
    assert answer.count("This machine runs the canonical workload with theano/as_published on cpu") == 1
    assert answer.count("The fastest of 5 stacks") == 1
    assert "with jax" not in answer and "with torch" not in answer


def test_the_fastest_is_not_one_that_learns_worse(race_report):
    answer = section(race_report, "The canonical workload")
    assert "(without the 1 that learns worse) is jax/step on cuda" in answer
    assert "40.0 times as fast as the canonical theano/as_published on cpu (95 % interval 40.0 to 40.0)" in answer


@pytest.mark.slow
def test_without_the_canonical_stack_nothing_is_said_to_be_times_as_fast(report):
    text = report([JAX_CPU, JAX_CUDA])
    assert "theano/as_published on cpu was not measured beside it" in section(text, "The canonical workload")
    ranking = section(text, "Ranking")
    assert "was not measured in this run" in ranking
    assert "times as fast" not in ranking.partition("| rank")[2]


@pytest.mark.slow
def test_the_canonical_stack_may_be_the_fastest(report):
    slow = JAX_CPU._replace(epoch_seconds=3.0)
    answer = section(report([slow, THEANO]), "The canonical workload")
    assert "The fastest of 2 stacks is theano/as_published on cpu" in answer
    assert "that is the canonical stack itself" in answer


@pytest.mark.slow
def test_skipped_stacks_are_counted_before_the_ranking(report):
    text = report(skipped=[*SKIPPED, {"what": "torch on cuda", "reason": "no GPU", "remedy": "none"}])
    before = text.partition("## Ranking")[0]
    assert "2 skipped: theano on cuda, torch on cuda (see Skipped)." in before
    assert "Skipped" in titles(text)


# --- ranking and comparisons ------------------------------------------------------------------------------------------


def test_stacks_that_the_run_cannot_tell_apart_share_a_rank(race_report):
    ranking = section(race_report, "Ranking")
    assert row(ranking, "3=", "jax/step on cpu") and row(ranking, "3=", "torch/eager on cpu")
    assert row(ranking, "5", "theano/as_published on cpu")
    assert "Rank: 1 + the number of stacks that are significantly faster" in ranking


def test_a_stack_that_does_not_conform_is_timed_and_never_ranked(tmp_path, report):
    violation = {"backend": "jax", "variant": "step", "device": "cuda", "reason": "W1 is off by 3"}
    conforming = {"backend": "torch", "variant": "eager", "device": "cpu", "reason": None}
    text = report(conformance=[violation, conforming])
    cells = row(section(text, "Ranking"), MISSING, "jax/step on cuda")
    assert cells[2].startswith("55.0 ms") and cells[-1].endswith(" %, does not conform")
    assert "Timed and not ranked: jax/step on cuda does not conform" in section(text, "Ranking")
    assert "jax/step on cuda does not conform, and is not ranked: W1 is off by 3" in section(text, "Failures")
    (folder,) = tmp_path.iterdir()
    analysis = analysis_of(folder)
    assert "jax/step on cuda" not in {one.stack.name for one in analysis.fastest}
    assert analysis.answers_by_speed[0].stack.name != "jax/step on cuda"


def test_a_stack_that_learns_worse_keeps_its_place_and_its_mark(race_report):
    text = race_report
    assert row(section(text, "Ranking"), "1", "torch/graph on cuda")[-1] == "97.76 %, faster, but learns worse"
    assert "torch/graph" not in section(text, "GPU against CPU")
    assert "Backend against backend on cuda" not in titles(text)  # one stack is left there


@pytest.mark.slow
def test_backends_on_one_device_are_compared_with_the_fastest(report):
    text = section(report([THEANO, JAX_CPU, JAX_CUDA]), "Backend against backend on cpu")
    assert row(text, "jax/step on cpu")[2:] == [MISSING, MISSING]
    assert float(row(text, "theano/as_published on cpu")[2]) == pytest.approx(2.0 / 1.5, rel=0.02)


@pytest.mark.slow
def test_the_fastest_of_each_device_is_compared_where_no_variant_ran_on_both(report):
    sound = TORCH_CUDA._replace(accuracies=ACCURACIES)
    text = section(report([TORCH_CPU, sound]), "GPU against CPU")
    assert float(row(text, "fastest of torch")[-2]) == pytest.approx(1.5 / 0.04, rel=0.02)


@pytest.mark.slow
def test_another_precision_is_named_and_does_not_win_by_it(tmp_path):
    """TF32 takes part in the ranking under its name; the fastest GPU stack is looked for in float32."""
    replicates = race([JAX_CPU, JAX_CUDA])
    tf32 = JAX_CUDA._replace(variant="step_tf32", epoch_seconds=0.02)
    for number in range(4):
        replicate = epoch_replicate(tf32, number)
        replicate["case"]["precision"] = "tf32"
        replicates.append(replicate)
    text = write_words(write_example_run(tmp_path, replicates))
    assert row(section(text, "Ranking"), "1", "jax/step_tf32 on cuda (tf32)")
    assert "tf32" not in section(text, "GPU against CPU")


@pytest.mark.slow
def test_the_summary_holds_the_ranking_and_the_verdicts(tmp_path):
    path = write_race(tmp_path)
    write_words(path)
    found = json.loads((path / "summary.json").read_text())
    first, second = found["ranking"][:2]
    assert first["stack"]["backend"] == "torch" and first["learning"] == "learns worse"
    assert second["rank"] == {"number": 2, "shared": False}
    assert second["speed_ratio"]["center"] == pytest.approx(40.0)
    assert second["speed_ratio"]["num_rounds"] == 4
    assert second["train_gflops"] == pytest.approx(124.3 / 0.055, rel=0.01)
    assert [crossing["lead"] for crossing in found["crossovers"]] == ["crosses", "always", "always"]
    verdicts = {one["stack"]["variant"]: one["verdict"] for one in found["learning"]}
    assert verdicts["as_published"] is None
    assert verdicts["graph"]["learning"] == "learns worse"


# --- learning ---------------------------------------------------------------------------------------------------------


def test_a_stack_that_learns_worse_is_a_failure_with_its_numbers(tmp_path, race_report):
    (sentence,) = analysis_of(write_race(tmp_path / "a")).learns_worse
    assert sentence.startswith("torch/graph on cuda learns worse than theano/as_published on cpu")
    assert "97.76 % and not 98.28 % (-0.52 points" in sentence
    assert "torch/graph on cuda learns worse" in section(race_report, "Failures")


def test_the_verdicts_of_the_race(race_report):
    text = section(race_report, "Test accuracy over seeds")
    assert row(text, "jax/step on cuda")[-1] == "learns as well"
    assert row(text, "jax/step on cpu")[1] == "3" and row(text, "jax/step on cpu")[-1] == "undecided"
    assert row(text, "theano/as_published on cpu")[-1] == "canonical"


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": {"identity": "surrogate", "origin": "built in", "sha256": {}}},
        {"recipe": {**header()["recipe"], "dropout": 0.5}},
        {"recipe": None},
    ],
)
def test_only_the_canonical_recipe_on_mnist_is_judged(tmp_path, changes):
    path = write_race(tmp_path, **changes)
    assert analysis_of(path).learns_worse == []
    text = write_words(path)
    assert "Test accuracy over seeds" not in titles(text)
    assert "learns" not in text


def test_an_accuracy_that_cannot_be_is_not_judged(tmp_path):
    broken = TORCH_CUDA._replace(accuracies=[97.7, 97.8, 97.9, 97.6, 97.5])  # percent instead of fractions
    path = write_race(tmp_path, [THEANO, broken])
    assert analysis_of(path).learns_worse == []


def test_seeds_that_never_reach_98_percent_have_no_time(race_report):
    torch_cuda = row(section(race_report, "Time to 98.0 %"), "torch/graph on cuda")
    assert torch_cuda[1:] == ["5", "4", MISSING, MISSING, MISSING]


# --- batch sizes and plots --------------------------------------------------------------------------------------------


def test_all_curves_stand_in_one_table_before_each_stacks_own(race_report):
    text = race_report
    found = titles(text)
    together = found.index("Batch size: examples/s of a training step")
    assert together < found.index("Batch size: theano/as_published cpu, 2 threads")
    table = section(text, "Batch size: examples/s")
    for size in BATCH_SIZES:
        assert len(row(table, f"{size:,}")) == 1 + len(RACERS)


@pytest.mark.slow
def test_the_plots_lie_beside_the_report_and_are_linked_with_words(race_run, race_report):
    plots = race_run / "plots"
    assert {file.name for file in plots.iterdir()} == {"accuracy.svg", "batch_size.svg", "throughput.svg"}
    for name, words in (("accuracy", "Validation accuracy against time"), ("batch_size", "Examples per second")):
        (link,) = [line for line in race_report.splitlines() if line.endswith(f"](plots/{name}.svg)")]
        assert link.startswith(f"![{words}")
        drawing = (plots / f"{name}.svg").read_text(encoding="utf-8")
        assert all(f"{one.backend}/{one.variant} on {one.device}" in drawing for one in RACERS)
    assert "training, examples/s" in (plots / "throughput.svg").read_text(encoding="utf-8")


def test_every_stack_has_a_style_of_its_own_and_devices_differ_in_line_and_marker(tmp_path):
    many = [JAX_CPU._replace(variant=f"v{index}", accuracies=[]) for index in range(20)]
    frames = bench.load_runs(write_race(tmp_path, [*many, JAX_CUDA]))
    styles = styles_of(drawn_stacks(frames))
    assert len({tuple(style.values()) for style in styles.values()}) == 21
    lines = {stack.device: (style["dash"], style["symbol"]) for stack, style in styles.items()}
    assert lines["cpu"][0] != lines["cuda"][0] and lines["cpu"][1] != lines["cuda"][1]


@pytest.mark.slow
def test_a_plot_that_cannot_be_drawn_costs_a_sentence_and_not_the_report(tmp_path, monkeypatch):
    def refuse(chart):
        if chart.name == "accuracy":
            raise RuntimeError("no ink")
        return "<svg/>"

    monkeypatch.setattr("bench.report.charts.svg_of_chart", refuse)
    text = write_report(write_race(tmp_path)).read_text(encoding="utf-8")
    assert "plots/accuracy.svg was not drawn (RuntimeError: no ink)" in section(text, "Failures")
    assert "](plots/accuracy.svg)" not in text and "](plots/batch_size.svg)" in text
    assert "Time to 98.0 % validation accuracy" in titles(text)


@pytest.mark.slow
def test_without_matplotlib_there_is_a_report_without_plots(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    text = write_report(write_race(tmp_path)).read_text(encoding="utf-8")
    assert "plots/accuracy.svg was not drawn (ModuleNotFoundError" in section(text, "Failures")
    assert "Ranking" in titles(text) and "![" not in text


# --- what a GPU adds --------------------------------------------------------------------------------------------------


@pytest.fixture
def costs(tmp_path):
    """The sections on energy and throttling when ``beside[harness, measurement]`` was recorded on jax's GPU stack."""

    def costs(beside):
        replicates = race()
        for one in replicates:
            if (one["case"]["backend"], one["case"]["device"]) == ("jax", "cuda"):
                for measured in one["measurements"]:
                    measured["extra"] |= beside.get((one["case"]["harness"], measured["name"]), {})
        return cost_sections(bench.load_runs(write_example_run(tmp_path, replicates)))

    return costs


def test_without_anything_sampled_beside_the_run_there_is_no_section(costs):
    assert costs({}) == []


def test_energy_memory_and_power_stand_with_the_stack_that_they_were_read_for(costs):
    watts = [{"t_seconds": seconds, "power_watts": 100.0 + seconds} for seconds in (0.0, 1.0, 2.0)]
    (found,) = costs(
        {
            ("epoch", "train_epoch"): {"energy_per_epoch_joules": 15.0},
            ("reference", "run"): {"energy_joules": 1300.0, "peak_gpu_memory_bytes": 2**29, "gpu_timeline": watts},
        }
    )
    rows = {one[0]: one[1:] for one in found.cells}
    assert found.headers == ["stack", "training epoch", "reference run", "power, W", "peak GPU memory"]
    assert rows["jax/step on cuda"] == ["15.0 J", "1.30 kJ", "101", "512 MiB"]
    assert "jax/step on cpu" not in rows  # nothing but dashes


def test_throttled_samples_are_counted_with_their_reasons(costs):
    slowed = {"throttled": True, "throttle_reasons": ["gpu sw power cap", "cgroup cpu quota"]}
    (found,) = costs({("epoch", "train_epoch"): slowed, ("epoch", "validate_epoch"): {"throttled": False}})
    num_samples = 4 * (2 + 2 + 3) + 2 * 2 * (len(BATCH_SIZES) + 1) + 5  # epochs, batch sizes, and five reference runs
    assert found.sentences == [
        f"Throttled: 8 of {num_samples} samples of jax/step on cuda (cgroup cpu quota, gpu sw power cap)."
    ]


# --- what is partial or old -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stack_without_epochs_is_listed_last_and_unranked(tmp_path):
    unmeasured = JAX_CPU.case("epoch", batch_size=500)
    replicates = [one for one in race([THEANO, JAX_CPU]) if one["case"] != unmeasured]
    text = write_words(write_example_run(tmp_path, replicates))
    ranking = section(text, "Ranking")
    assert row(ranking, "jax/step on cpu")  # alone with epochs, the other has no rank either: there is no such column
    assert ranking.index("theano/as_published") < ranking.index("jax/step on cpu")


@pytest.mark.slow
def test_an_interrupted_first_round_orders_and_does_not_rank(tmp_path):
    replicates = [epoch_replicate(racer, 0) for racer in RACERS[:2]]
    text = write_report(write_example_run(tmp_path, replicates, status="interrupted")).read_text(encoding="utf-8")
    assert row(section(text, "Ranking"), "jax/step on cpu")
    assert "There are no ranks: fewer than three rounds measured two stacks." in text
    assert "Too few rounds were measured to determine the fastest of 2 stacks; with jax/step on cpu a" in text
    assert "nan" not in text.lower()


def test_records_without_precision_are_still_ranked(tmp_path):
    replicates = race([THEANO, JAX_CPU])
    for one in replicates:
        del one["case"]["precision"]
    path = write_example_run(tmp_path, replicates)
    found = summarize(analysis_of(path))
    assert [one["stack"]["precision"] for one in found["ranking"]] == [None, None]
    assert found["ranking"][0]["speed_ratio"]["center"] == pytest.approx(2.0 / 1.5, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("record", sorted(RECORDS.glob("*/*/run.json")), ids=lambda path: path.parent.name)
def test_every_committed_record_still_has_its_report(tmp_path, record):
    import shutil

    copy = shutil.copytree(record.parent, tmp_path / "copy")
    text = write_report(copy).read_text(encoding="utf-8")
    assert "Failures" not in titles(text)
    cases = [planned["case"] for planned in json.loads(record.read_text())["plan"]]
    harnesses = {case["harness"] for case in cases}
    canonical = any(case["harness"] == "reference" and case["device"] == "cpu" for case in cases)
    assert ("This machine runs the canonical workload with theano/as_published on cpu" in text) == canonical
    answered = "This machine runs the canonical workload with" in text
    timed = "Time to 98.0 % validation accuracy" in titles(text)
    assert answered == timed == ("reference" in harnesses)
    assert ("Ablation of the tuning" in titles(text)) == ("ablation" in harnesses)


@pytest.mark.slow
def test_calm_racers_are_told_apart_by_two_percent_although_the_machine_drifts_by_half(report):
    twin = TORCH_CPU._replace(epoch_seconds=2.04, noise=CALM, accuracies=ACCURACIES)
    ranking = section(report([THEANO, twin]), "Ranking")
    assert row(ranking, "1", "theano/as_published on cpu") and row(ranking, "2", "torch/eager on cpu")


def test_a_gpu_that_was_not_sampled_has_its_reason_in_the_first_section(tmp_path):
    """As on a card that is divided into MIG instances, or without NVML."""
    why = "GPU 0 is divided into MIG instances"
    unsampled = gpu_reference_replicate()
    unsampled["measurements"][0]["extra"] |= {"gpu_timeline": [], "gpu_reason": why, "energy_joules": None}
    for reason, replicate, device in ((why, unsampled, "cuda"), (None, gpu_reference_replicate(), "cuda")):
        plan = [planned({"harness": "reference", "device": device})]
        path = write_example_run(tmp_path / str(reason), [replicate], plan=plan)
        notices = answer_section(RunAnalysis(RunFolder.open(path))).notices
        expected = f"The GPU was not sampled, so its clocks, throttling, power and energy are unknown: {reason}."
        assert (expected in notices) == (reason is not None)
