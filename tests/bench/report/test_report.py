"""The report says which data, what it means and what is missing, on records made of literals."""

import io
import itertools
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from example_run import (
    case,
    header,
    measurement,
    planned,
    reference_replicate,
    replicate,
    replicates,
    write_example_run,
)
from rich.console import Console
from words import write_words

from bench.document.section import Section, to_markdown, to_terminal
from bench.errors import RecordError
from bench.report.run.rates import TRAINING_FLOP_PER_EXAMPLE
from bench.report.write import print_report, write_report

PROJECT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).with_name("golden_report.md")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The folder of the example run, with its reports: to be read only."""
    path = write_example_run(tmp_path_factory.mktemp("example"), replicates())
    write_report(path)
    return path


@pytest.fixture
def report(tmp_path):
    """The text of report.md, without pictures, for ``replicates`` under a header with ``changes``."""

    def report(replicates, **changes):
        return write_words(write_example_run(tmp_path, replicates, **changes))

    return report


def section(text, title):
    (found,) = [part for part in text.split("## ") if part.startswith(title)]
    return found


def printed(path, width=200):
    console = Console(file=io.StringIO(), width=width)
    print_report(path, console)
    return console.file.getvalue()


# --- the whole ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_whole_report_of_the_example_run(example):
    """After a wanted change: write the new text to the golden file, and read its diff."""
    assert (example / "report.md").read_text(encoding="utf-8") == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("golden", ["golden_report.md", "golden_race.md"])
def test_no_table_has_two_columns_of_one_name(golden):
    lines = GOLDEN.with_name(golden).read_text(encoding="utf-8").splitlines()
    found = [line for line, below in itertools.pairwise(lines) if re.fullmatch(r"\|[-|]+\|", below)]
    assert len(found) > 5
    for line in found:
        names = [name.strip() for name in line.strip("|").split("|")]
        assert len(set(names)) == len(names), line


@pytest.mark.slow
def test_an_epoch_that_takes_longer_in_the_reference_run_is_flagged(report):
    """The example's harness says 2.02 s and its reference runs 1.96 s, or here 1.2 times that."""
    title = "Epochs of the harness and of the reference run"
    as_it_is = section(report(replicates()), title)
    assert "0.970" in as_it_is and "More than 5 % apart" not in as_it_is
    slow = replicates()
    for one in slow:
        for found in one["measurements"]:
            for epoch in found["extra"].get("epochs") or []:
                epoch["train_seconds"] *= 1.2
    apart = "More than 5 % apart, as reference run over harness: theano/as_published on cpu 1.16."
    assert apart in section(report(slow, run_id="slow"), title)


@pytest.mark.slow
def test_reference_runs_are_compared_with_the_harness_of_their_own_round(report):
    """Half speed in three rounds: the medians over seven and over five processes differ by a factor of 2."""
    seconds_by_round = [2.0, 4.0, 4.0, 4.0, 2.0, 2.0, 2.0]
    found = []
    for number, seconds in enumerate(seconds_by_round):
        pair = [replicate(case("epoch", batch_size=500), [measurement("train_epoch", [seconds], examples=50_000)])]
        pair += [reference_replicate(number + 1, 0.98, 20 * seconds)] if number < 5 else []
        found += [{**one, "round": number} for one in pair]
    text = section(report(found), "Epochs of the harness and of the reference run")
    assert "| 2.00 s    | 4.00 s " in text and "| 1.00                  | 1.00 to 1.00" in text
    assert "More than 5 % apart" not in text


def test_words_of_a_table_stay_whole_where_there_is_room_for_them():
    section = Section("Title", columns=["run", "validate_epoch, which is long", "x"], rows=[["a", "1", "word " * 30]])
    console = Console(file=io.StringIO(), width=60)
    to_terminal("", [section], console)
    assert "validate_epoch," in console.file.getvalue() and console.file.getvalue().count("word") == 30


def test_the_numbers_in_the_golden_report_are_those_of_the_literals():
    """By hand: totals 44.1, 44.2, 44.3 s; step law a = 2 ms and b = 32 µs, each times 1.01 on average of the two."""
    text = GOLDEN.read_text(encoding="utf-8")
    assert "median of 3 seeds" in text and "44.2 s" in text
    assert f"{44.2 / 32.2:.3g} times as long as the 2016 reference of 32.2 s" in text
    assert "a = 2.02 ms" in text and "b = 32.3 µs" in text
    assert "half of its greatest throughput is reached at B = 62.5" in text
    assert f"{50_000 * 2.486e6 / 2.02e9:.3g} GFLOP/s" in text


def test_the_cost_of_an_epoch_is_the_documented_one():
    assert 50_000 * TRAINING_FLOP_PER_EXAMPLE / 1e9 == pytest.approx(124.3, abs=0.05)


@pytest.mark.slow
def test_the_frames_and_the_summary_lie_beside_the_report(example):
    written = {found.name for found in example.iterdir() if found.is_file()}
    assert {"report.md", "summary.json", "samples.csv", "phases.csv", "epochs.csv", "results.csv"} <= written
    summary = json.loads((example / "summary.json").read_text())
    (run,) = summary["reference_runs"]
    assert run["accuracy_agrees"] is True
    assert run["ratio_to_reference"] == pytest.approx(44.2 / 32.2)
    assert summary["comparable_with_reference"] is True


def test_the_terminal_shows_what_the_file_says(tmp_path):
    path = write_example_run(tmp_path, replicates())
    text = printed(path)
    assert text.startswith("theano/as_published on cpu: 44.2 s for the canonical 20 epochs, 1.4 times as long as")
    assert "Dataset: MNIST (verified by SHA-256)." in text
    for title in [line[3:] for line in GOLDEN.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]:
        assert title in text


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_still_gets_its_answer(tmp_path, width):
    text = " ".join(printed(write_example_run(tmp_path, replicates()), width).split())
    assert "This machine runs the canonical workload" in text


# --- the answer -----------------------------------------------------------------------------------------------------


def test_a_faster_machine_is_called_faster(report):
    text = report([reference_replicate(1, 0.983, train_seconds=11.1)])
    assert (
        "in 16.1 s by the reference clock, compile cache warm (one seed): 2 times as fast as the 2016 reference" in text
    )


def test_a_slower_machine_is_not_called_faster(report):
    text = report([reference_replicate(1, 0.983, train_seconds=59.4)])
    assert (
        "64.4 s by the reference clock, compile cache warm (one seed): it takes 2 times as long as the 2016 reference"
        in text
    )


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.9829, "agrees with"), (0.97, "does NOT agree with")])
def test_accuracy_is_judged_by_its_interval(report, accuracy, verdict):
    seeds = [reference_replicate(seed, accuracy + (seed - 2) * 0.001, 39.0) for seed in (1, 2, 3)]
    assert f"{verdict} the published 98.29 %" in report(seeds)


def test_one_seed_is_judged_by_the_spread_of_the_records(report):
    text = report([reference_replicate(1, 0.9829, 39.0)])
    assert "within 0.30 points of this mean" in text
    assert "scatter normally over seeds as they do in the committed records (0.11 points)" in text


@pytest.mark.slow
@pytest.mark.parametrize("identity", ["surrogate", "custom"])
def test_other_data_is_named_first_and_its_accuracy_is_never_compared(tmp_path, identity):
    dataset = {"identity": identity, "origin": identity, "sha256": {}}
    path = write_example_run(tmp_path, replicates(), dataset=dataset)
    text = write_words(path)
    first = text.splitlines()[0]
    assert (identity.upper() if identity == "surrogate" else identity) in first
    assert "not MNIST" in first and "accuracy is not compared with the reference" in first
    assert "Accuracy is not compared: the data is not MNIST." in text
    assert "98.29" not in text and "agree" not in text
    (run,) = json.loads((path / "summary.json").read_text())["reference_runs"]
    assert run["accuracy_agrees"] is None
    assert "44.2 s for the canonical 20 epochs" in first
    assert printed(path).splitlines()[0] == first


def test_a_quick_run_says_so_and_claims_nothing(report):
    text = report([reference_replicate(1, 0.95, 4.0, num_epochs=2)], mode="quick")
    assert "Quick mode: few processes, for a first look and not for a claim." in text
    assert "2 epochs took 9.00 s" in text
    assert "that is not the canonical run, so it has no ratio to 32.2 s" in text
    assert "98.29" not in text and "times as" not in text
    assert "make bench QUICK=1" in text


def test_a_quick_run_of_20_epochs_is_compared_and_still_called_quick(report):
    text = report([reference_replicate(1, 0.983, 11.1)], mode="quick")
    assert "Quick mode" in text
    assert "2 times as fast as the 2016 reference" in text


def test_the_ratio_to_2016_has_the_interval_of_the_time(report):
    text = report(replicates())
    assert "95 % interval 44.0 s to 44.4 s, which is 1.36 to 1.38 times as long." in text.splitlines()[0]
    assert "January 2016), 95 % interval 1.36 to 1.38." in text


def test_another_recipe_is_not_the_canonical_workload(report):
    recipe = {**header()["recipe"], "dropout": 0.5}
    text = report([reference_replicate(1, 0.983, 39.0)], recipe=recipe)
    assert "that is not the canonical run" in text
    assert "This machine runs the canonical workload" not in text


@pytest.mark.parametrize("status", ["running", "interrupted"])
def test_a_partial_run_says_how_to_complete_it(report, status):
    text = report(replicates()[:3], status=status, finished_at=None)
    assert f"This run is partial (status: {status}): make bench RESUME={header()['run_id']} completes it." in text
    assert "The reference run was not measured, so nothing is compared with 32.2 s." in text


# --- what is missing ------------------------------------------------------------------------------------------------


def test_a_run_without_replicates_has_a_report(tmp_path):
    path = write_example_run(tmp_path, [])
    text = write_report(path).read_text(encoding="utf-8")
    assert "The reference run was not measured" in text
    assert "## Loading" not in text and "nan" not in text.lower()
    assert json.loads((path / "summary.json").read_text())["reference_runs"] == []
    assert "The reference run was not measured" in printed(path)


def test_a_header_with_nothing_optional_has_a_report(report):
    missing = dict.fromkeys(("machine", "dataset", "commit", "skipped", "recipe", "finished_at"))
    text = report(replicates(), **missing)
    assert text.startswith("Dataset: unknown, not MNIST; its accuracy is not compared")
    assert "Install mlp-bench of the same version and run mlp-bench run." in text


def test_a_reference_run_without_its_optional_numbers_has_a_report(report):
    one = reference_replicate(1, None, 39.0)
    extra = one["measurements"][0]["extra"]
    one["measurements"][0]["extra"] = {"phases": extra["phases"]}
    one["measurements"][0]["extra"]["epochs"] = extra["epochs"]
    text = report([one])
    assert "Accuracy is not compared: none was recorded." in text
    assert "nan" not in text.lower()


def test_a_failed_case_is_listed_with_its_reason(report):
    failed = replicate(case("epoch", batch_size=500), [], reason="it was killed (SIGKILL)")
    text = report([*replicates()[:2], failed])
    assert "it was killed (SIGKILL)" in section(text, "Failures")
    assert "load" in section(text, "Loading")


def test_a_failure_without_a_reason_is_still_listed(report):
    failed = {**replicate(case("epoch"), []), "status": "failed"}
    assert "no reason was recorded" in section(report([failed]), "Failures")


@pytest.mark.slow
def test_a_damaged_replicate_is_listed_and_the_rest_reported(tmp_path):
    path = write_example_run(tmp_path, replicates())
    (path / "replicates" / "0001.json").write_text("{")
    text = write_words(path)
    assert "0001.json cannot be read" in section(text, "Failures")
    assert "| load " in section(text, "Loading")


@pytest.mark.slow
def test_a_sample_that_is_no_number_is_left_out_and_named(report):
    text = report([*replicates(), replicate(case("data"), [measurement("read", [0.5, None])])])
    assert "process 13: all 2 samples of read were left out" in section(text, "Failures")
    assert "read" not in section(text, "Loading")


def test_skipped_backends_come_with_their_remedy(report):
    skipped = [{"what": "theano on cuda", "reason": "no GPU was found", "remedy": "run on a machine with one"}]
    text = section(report(replicates(), skipped=skipped), "Skipped")
    assert "theano on cuda" in text and "no GPU was found" in text and "run on a machine with one" in text


@pytest.mark.slow
def test_how_to_reproduce_names_every_option(report):
    options = {"--quick": [], "--backend": ["theano", "jax"], "--harness": ["data", "epoch"], "--note": ["it's $5"]}
    text = section(report(replicates(), mode="quick", options=options), "How to reproduce")
    command = text.split(" and run ")[1].split(". Intervals")[0]
    dry_run = subprocess.run(
        f"{command} --dry-run PYTHON=python3", shell=True, cwd=PROJECT, capture_output=True, text=True
    )
    assert "-m bench run --quick --backend theano --backend jax" in " ".join(dry_run.stdout.split())
    assert "--harness data --harness epoch --note 'it'\"'\"'s $5'" in dry_run.stdout


def test_an_older_record_is_reproduced_by_what_its_plan_and_recipe_tell(report):
    chosen = {"backends": ["theano", "jax"], "variants": [], "devices": ["cpu"], "processes": 15}
    plan = [planned(case(harness, threads=1)) for harness in ("data", "epoch")]
    text = section(report(replicates(), mode="quick", chosen=chosen, plan=plan), "How to reproduce")
    assert (
        "make bench QUICK=1 BACKENDS='theano jax' DEVICES=cpu PROCESSES=15 "
        "RUN_OPTIONS='--quick --backend theano --backend jax "
        "--device cpu --processes 15 --harness data --harness epoch --threads 1 --epochs 20'."
    ) in text


def test_without_the_number_of_examples_there_is_no_rate(report):
    text = report([replicate(case("epoch", batch_size=500), [measurement("train_epoch", [2.0])])])
    assert "examples/s" not in text and "GFLOP" not in text


# --- what is hostile ------------------------------------------------------------------------------------------------


def test_a_gpu_is_described_with_its_units_and_without_its_unknowns(report):
    gpu = {"name": "NVIDIA H200", "memory_bytes": 140 * 2**30, "power_limit_watts": 700.0, "ecc_mode": True}
    text = report([], machine={"gpus": [{**gpu, "mig_mode": None}], "memory_limit_bytes": 2**34})
    assert "| name NVIDIA H200, memory 140 GiB, power limit watts 700, ecc mode yes |" in text
    assert re.search(r"memory limit +\| 16.0 GiB", text)


def test_a_machine_name_cannot_break_the_table(tmp_path):
    name = "A | B\n## <script>alert(1)</script> \x1b[31m[bold]" + "x" * 5000
    path = write_example_run(tmp_path, [], machine={"cpu_model": name})
    text = write_report(path).read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("| cpu model")]
    assert "A \\| B ## &lt;script&gt;" in row
    assert "\x1b" not in text and len(row) < 1500
    assert "## <script>" not in text
    assert "[bold]" in printed(path)


def test_markdown_keeps_a_section_without_a_table():
    assert to_markdown("first", [Section("Title", ["one", "two"])]) == "first\n\n## Title\n\none\n\ntwo\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_report_that_may_not_be_written_is_one_sentence_for_a_user(tmp_path):
    path = write_example_run(tmp_path, replicates())
    path.chmod(0o555)
    try:
        with pytest.raises(RecordError, match="the record itself is kept"):
            write_report(path)
    finally:
        path.chmod(0o755)


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path):
    path = write_example_run(tmp_path, replicates())
    (path / "report.md").mkdir()
    with pytest.raises(RecordError, match=r"cannot write .* the record itself is kept"):
        write_words(path)


def test_the_summary_names_what_was_left_out_and_is_strict_json(tmp_path):
    path = write_example_run(tmp_path, [replicate(case("data"), [measurement("read", [0.5, None])])])
    write_report(path)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    summary = json.loads((path / "summary.json").read_text(), parse_constant=refuse)
    assert summary["measurements"] == []
    assert summary["left_out"] == ["process 1: all 2 samples of read were left out, because one is invalid"]
