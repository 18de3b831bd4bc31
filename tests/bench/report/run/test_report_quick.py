"""The report of a quick run: one stack ran all epochs, the others are projected, and the two are never mixed."""

import json
import re

import pytest
from example_run import case, measurement, reference_replicate, replicate, write_example_run
from html_pages import with_plain_spaces

from bench.report.write import write_report


def epochs(variant, train_seconds, cache="warm", number=0, device="cpu"):
    """A process of epochs: 0.4 s to load, 0.1 s to build, 20 s or 3 s to compile, an evaluation of 0.05 s."""
    prepared = {"harness": "compile", "batch_size": None, "cache": cache}
    measured = [
        measurement("train_epoch", [train_seconds] * 2, examples=50_000),
        measurement("validate_epoch", [0.05] * 2, examples=10_000),
        measurement("first_load", [0.4], {"harness": "data", "batch_size": None}),
        measurement("build", [0.1], prepared),
        measurement("compile", [20.0 if cache == "cold" else 3.0], prepared),
    ]
    one = replicate(case("epoch", variant=variant, batch_size=500, device=device), measured)
    return {**one, "round": number}


def reference(variant, train_seconds, device="cpu", accuracy=0.9828):
    one = reference_replicate(1, accuracy, train_seconds)
    return {**one, "case": {**one["case"], "variant": variant, "device": device}}


QUICK = [
    epochs("as_published", 2.0, "cold"),
    epochs("tuned", 0.3, "cold"),
    reference("tuned", 4.3),
    *(epochs("as_published", 2.0, number=number) for number in (1, 2)),
    *(epochs("tuned", 0.3, number=number) for number in (1, 2)),
]
LEFT_OUT = [{"what": "the harness batch_size", "reason": "no time", "remedy": "make bench"}]


@pytest.fixture
def written(tmp_path):
    def written(replicates, **changes):
        path = write_example_run(tmp_path, replicates, mode="quick", **changes)
        text = write_report(path).read_text(encoding="utf-8")
        page = with_plain_spaces((path / "report.html").read_text(encoding="utf-8"))
        return text, json.loads((path / "summary.json").read_text()), page

    return written


@pytest.mark.slow
def test_the_first_line_is_the_answer_and_how_far_to_trust_it(written):
    text, _, page = written(QUICK)
    expected = (
        "theano/tuned on cpu: 9.30 s for the canonical 20 epochs, 3.5 times as fast as the GTX 970 of January 2016 "
        "(32.2 s); test accuracy 98.28 %, as published. One run: "
    )
    assert text.startswith(expected) and f"<h1>{expected.partition(' One run')[0]}</h1>" in page


@pytest.mark.slow
def test_other_stacks_are_projected_from_their_own_warm_parts_and_called_so(written):
    text, summary, page = written(QUICK)
    seconds = 0.4 + 0.1 + 3.0 + 20 * 2.0 + 21 * 0.05
    (projected,) = summary["projected_reference_runs"]
    assert projected["projected_total_seconds"] == pytest.approx(seconds)
    assert projected["stack"]["variant"] == "as_published" and not projected["cold_cache"]
    for found in (text, page):
        assert "Projected from their own epochs, not measured: theano/as_published on cpu about 44.5 s." in found
        assert "Projected reference clock" in found


@pytest.mark.slow
def test_what_is_projected_is_no_reference_run_anywhere(written):
    text, summary, _ = written(QUICK)
    assert [run["variant"] for run in summary["reference_runs"]] == ["tuned"]
    rows = [line for line in text.splitlines() if line.startswith("|") and "as_published" in line and "44.5 s" in line]
    assert len(rows) == 1  # that of the projections: neither the ranking nor any other table has it
    by_variant = {one["stack"]["variant"]: one for one in summary["ranking"]}
    assert by_variant["as_published"]["reference_clock"] is None
    assert by_variant["as_published"]["mean_test_accuracy"] is None
    assert "faster than" not in text and "times as long as theano/tuned" not in text


@pytest.mark.slow
def test_a_stack_that_was_started_once_is_projected_with_its_cold_compilation_and_says_so(written):
    text, summary, _ = written([epochs("as_published", 2.0, "cold"), reference("tuned", 4.3)])
    assert "theano/as_published on cpu about 61.5 s (compile cache cold)." in text
    assert summary["projected_reference_runs"][0]["cold_cache"] is True


@pytest.mark.slow
def test_the_cpu_stands_beside_the_gpu(written):
    text, _, _ = written([reference("tuned", 4.3), reference("as_published", 1.0, device="cuda")])
    assert text.startswith("theano/as_published on cuda: 6.00 s")
    assert re.search(r"On the CPU theano/tuned takes 9.30 s, 1.[56] times as long\.", text.splitlines()[0])  # 1.55


@pytest.mark.slow
def test_a_harness_that_was_left_out_has_no_section_and_is_named(written):
    text, _, _ = written(QUICK, left_out=LEFT_OUT)
    for title in ("Batch size", "Ablation", "Ceilings", "Dense library calls and operations needed"):
        assert f"## {title}" not in text
    assert "| the harness batch_size | no time | make bench" in " ".join(text.split())


@pytest.mark.slow
def test_a_full_run_projects_nothing(tmp_path):
    path = write_example_run(tmp_path, QUICK)
    assert "Projected" not in write_report(path).read_text(encoding="utf-8")
