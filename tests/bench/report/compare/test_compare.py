"""Sides from literals -> ratios, scores, costs, reasons: no file is read and no clock looked at."""

import math
from dataclasses import replace

import pytest
from plotly.graph_objects import Figure

from bench.document.html import to_html
from bench.document.section import to_markdown
from bench.errors import BenchError
from bench.records.ceilings import Ceiling, Ceilings
from bench.report.compare import Comparable, StackMeasurement, compare
from bench.report.compare.comparison import ALL_IN_COMMON
from bench.report.compare.facts import NOT_RECORDED, differences
from bench.report.compare.page import comparison_page
from bench.report.compare.sections import comparison_sections, detail_sections, first_line, headline
from bench.report.compare.tables import to_csv, to_json
from bench.roofline.workload import step_products
from bench.units import MISSING
from mlp.recipe import CANONICAL

FAST, SLOW, OTHER = "jax/scan on cpu", "theano/as_published on cpu", "numpy/float32 on cpu"
RECIPE = {"layer_widths": [784, 500, 300, 10], "dropout": 0.4, "batch_size": 500, "num_epochs": 20, "seed": 1}
MNIST = {"identity": "mnist", "sha256": {"train-images": "ba89"}}


def rounds(*medians):
    return {number: [median * 0.999, median, median * 1.001] for number, median in enumerate(medians)}


def side(name, epochs, **changes):
    """``epochs`` maps a stack to the medians of its training epochs."""
    given = {
        "tool": "mlp-bench",
        "samples": {StackMeasurement(stack, "train_epoch"): rounds(*medians) for stack, medians in epochs.items()},
        "facts": {"cpu_model": "Example CPU", "usable_cores": 2},
        "started_at": "2026-01-02T03:04:05+00:00",
        "mode": "full",
        "dataset": MNIST,
        "recipe": RECIPE,
        "precisions": {stack: frozenset({"float32"}) for stack in epochs},
        "devices": dict.fromkeys(epochs, "cpu"),
    }
    return Comparable(name, **{**given, **changes})


def measured(one, more):
    return replace(one, samples={**one.samples, **more})


BASE = side("old", {SLOW: [2.0, 2.2, 1.9, 2.0], FAST: [1.0, 1.1, 0.9, 1.0]})
TWICE = side("new", {SLOW: [1.0, 1.1, 0.95, 1.0], FAST: [0.5, 0.55, 0.45, 0.5]})


def test_a_run_that_takes_half_as_long_is_twice_as_fast_and_scores_two():
    found = compare(BASE, [TWICE])
    assert [ratio.speed.center for ratio in found.ratios] == pytest.approx([2.0, 2.0])
    assert all(ratio.speed.differs for ratio in found.ratios)
    score = found.score("new")
    assert (score.measurement, score.stacks) == ("train_epoch", (SLOW, FAST))
    assert score.speed.center == pytest.approx(2.0)


def test_the_other_way_round_everything_is_the_inverse():
    there, back = compare(BASE, [TWICE]), compare(TWICE, [BASE])
    assert back.score("old").speed.center == pytest.approx(1 / there.score("new").speed.center)


def test_a_score_counts_only_stacks_that_every_run_measured():
    """Of three runs, only the slow stack is everywhere; the fast one would have doubled a score."""
    third = side("third", {SLOW: [2.0, 2.2, 1.9, 2.0]})
    found = compare(BASE, [TWICE, third])
    assert found.score("new").stacks == (SLOW,) == found.score("third").stacks
    assert found.score("third").speed.center == pytest.approx(1.0)
    assert [ratio.metric.stack for ratio in found.ratios if ratio.run == "new"] == [SLOW, FAST]


def test_a_stack_that_learns_worse_lifts_no_score():
    cheat = replace(TWICE, samples={**TWICE.samples, StackMeasurement(FAST, "train_epoch"): rounds(0.01, 0.01, 0.01)})
    honest = compare(BASE, [replace(cheat, learns_worse=frozenset({FAST}))])
    assert compare(BASE, [cheat]).score("new").speed.center > 10
    assert honest.score("new").stacks == (SLOW,)
    assert f"learn worse in some run: {FAST}" in to_markdown("", comparison_sections(honest))


def test_without_a_training_epoch_in_common_the_score_is_of_everything():
    sort, parse = StackMeasurement("", "sort"), StackMeasurement("", "parse")
    base = Comparable("a.json", "pyperf", {sort: rounds(2.0, 2.0), parse: rounds(8.0, 8.0)})
    other = Comparable("b.json", "pyperf", {sort: rounds(1.0, 1.0), parse: rounds(1.0, 1.0)})
    score = compare(base, [other]).score("b.json")
    assert (score.measurement, score.speed.center) == (ALL_IN_COMMON, pytest.approx(4.0))


def test_what_only_one_side_measured_is_listed_and_not_dropped():
    more = measured(TWICE, {StackMeasurement(OTHER, "train_epoch"): rounds(1.0)})
    less = measured(BASE, {StackMeasurement(SLOW, "first_step"): rounds(1.0)})
    listed = {(entry.what, entry.reason) for entry in compare(less, [more]).not_compared}
    assert listed == {(OTHER, "only new measured it"), (f"{SLOW} first_step", "only old measured it")}


def test_a_duration_that_is_that_of_calling_nothing_is_not_compared():
    nothing = {StackMeasurement(OTHER, "compile"): {0: [2e-7], 1: [3e-7]}}
    found = compare(measured(BASE, nothing), [measured(TWICE, nothing)])
    assert StackMeasurement(OTHER, "compile") not in {ratio.metric for ratio in found.ratios}
    assert [entry.what for entry in found.not_compared] == [f"{OTHER} compile"]


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": {"identity": "surrogate"}}, "old measured the dataset mnist, new surrogate"),
        ({"dataset": {"identity": "mnist", "sha256": {"train-images": "ff"}}}, "the SHA-256 of its files differ"),
        ({"recipe": {**RECIPE, "batch_size": 64}}, "the recipe's batch size is 500 in old and 64 in new"),
        ({"recipe": {**RECIPE, "dropout": 0.5}}, "the recipe's dropout is 0.4 in old and 0.5 in new"),
        ({"samples": {StackMeasurement(OTHER, "train_epoch"): rounds(1.0)}}, "no measurement in common"),
        ({"samples": {}}, "new has nothing"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(changes, reason):
    with pytest.raises(BenchError, match=reason):
        compare(BASE, [replace(TWICE, **changes)])


def test_every_reason_is_listed_for_every_run():
    strange = replace(TWICE, dataset={"identity": "custom"}, recipe={**RECIPE, "dropout": 0.5, "batch_size": 1})
    with pytest.raises(BenchError) as refused:
        compare(BASE, [replace(strange, name="second"), replace(strange, name="third"), TWICE])
    sentence = str(refused.value)
    assert sentence.count("custom") == sentence.count("dropout") == sentence.count("batch size") == 2


def test_two_precisions_of_one_stack_are_never_compared():
    coarse = "jax/scan on cuda (tf32)"
    a = side("a", {"jax/scan on cuda": [1.0, 1.0]}, precisions={"jax/scan on cuda": frozenset({"float32"})})
    b = side("b", {coarse: [0.5, 0.5]}, precisions={"jax/scan on cuda": frozenset({"tf32"})})
    with pytest.raises(BenchError, match="jax/scan on cuda multiplies in float32 in a and in tf32 in b"):
        compare(a, [b])
    both = [replace(one, samples={**one.samples, StackMeasurement(SLOW, "train_epoch"): rounds(1.0)}) for one in (a, b)]
    found = compare(both[0], both[1:])
    assert [ratio.metric.stack for ratio in found.ratios] == [SLOW]
    assert any("float32 in a and in tf32 in b" in entry.reason for entry in found.not_compared)


def test_another_number_of_epochs_leaves_out_the_reference_clock_and_nothing_else():
    clock = {
        StackMeasurement(SLOW, "reference clock"): rounds(40.0),
        StackMeasurement(SLOW, "reference clock, load"): rounds(1.0),
    }
    long = replace(BASE, samples={**BASE.samples, **clock})
    short = replace(TWICE, samples={**TWICE.samples, **clock}, recipe={**RECIPE, "num_epochs": 2})
    found = compare(long, [short])
    assert {ratio.metric.measurement for ratio in found.ratios} == {"train_epoch"}
    assert ("reference clock", "old ran 20 epochs and new 2") in {(e.what, e.reason) for e in found.not_compared}


def test_a_file_that_tells_no_dataset_is_compared_and_that_is_said():
    foreign = replace(TWICE, name="theirs.json", tool="pyperf", dataset=None, recipe=None)
    text = to_markdown("", comparison_sections(compare(BASE, [foreign])))
    assert "theirs.json: the file names neither dataset nor recipe" in text


def test_one_run_is_no_comparison():
    with pytest.raises(BenchError, match="at least two"):
        compare(BASE, [])


# --- hardware and use ----------------------------------------------------------------------------------------------


def ceilings(scale, engines=("host",)):
    """Each product of a step in 1 ms, the other work in next to nothing; ``scale`` times as long."""
    measured = []
    for engine, factor in zip(engines, (1.0, 0.1), strict=False):
        for product in step_products(CANONICAL.layer_widths, CANONICAL.batch_size):
            seconds = 0.001 * scale * factor
            measured.append(_ceiling(f"gemm_{product.role}", engine, seconds, flop=product.flop))
        for name in ("copy", "elementwise", "random_numbers"):
            measured.append(_ceiling(name, engine, 1e-9 * scale * factor, bytes=1e9))
    return {"cpu": Ceilings("cpu", 2, tuple(measured))}


def _ceiling(name, engine, seconds, **work):
    return Ceiling(name, engine, seconds, num_processes=4, rounds=dict.fromkeys(range(4), seconds), **work)


def test_a_machine_twice_as_fast_at_everything_explains_a_stack_twice_as_fast():
    (slow, fast) = compare(replace(BASE, ceilings=ceilings(1.0)), [replace(TWICE, ceilings=ceilings(0.5))]).hardware
    for share in (slow, fast):
        assert share.hardware.center == pytest.approx(2.0)
        assert share.use.center == pytest.approx(1.0)


def test_on_the_same_hardware_a_faster_stack_is_better_use():
    found = compare(replace(BASE, ceilings=ceilings(1.0)), [replace(TWICE, ceilings=ceilings(1.0))])
    assert [share.use.center for share in found.hardware] == pytest.approx([2.0, 2.0])
    text = to_markdown("", comparison_sections(found))
    assert "the drift of the machine between the runs" in text and "that the ceilings of both runs show" in text


def test_an_engine_that_only_one_run_asked_is_no_faster_machine():
    asked = replace(TWICE, ceilings=ceilings(1.0, engines=("host", "torch")))
    found = compare(replace(BASE, ceilings=ceilings(1.0)), [asked])
    assert [share.hardware.center for share in found.hardware] == pytest.approx([1.0, 1.0])


def test_without_ceilings_the_reason_stands_in_their_place():
    found = compare(replace(BASE, ceilings=ceilings(1.0)), [TWICE])
    assert found.hardware == []
    assert "as this needs ceilings of both machines: new measured none" in to_markdown("", comparison_sections(found))


# --- cost and facts ------------------------------------------------------------------------------------------------


def canonical(one, seconds, **changes):
    clock = {StackMeasurement(SLOW, "reference clock"): rounds(seconds)}
    return replace(one, samples={**one.samples, **clock}, canonical_stacks=frozenset({SLOW}), **changes)


def test_a_price_is_that_of_the_seconds_that_the_canonical_run_takes():
    """36 s are a hundredth of an hour."""
    found = compare(canonical(BASE, 36.0), [canonical(TWICE, 18.0)], {"old": 0.5, "new": 3.0})
    assert {cost.run: cost.price for cost in found.costs} == pytest.approx({"old": 0.005, "new": 0.015})


def test_without_a_price_or_energy_there_is_no_cost_and_energy_alone_is_one():
    assert compare(canonical(BASE, 36.0), [canonical(TWICE, 18.0)]).costs == []
    (cost,) = compare(canonical(BASE, 36.0), [canonical(TWICE, 18.0, energy_joules={SLOW: 900.0})]).costs
    assert (cost.run, cost.price, cost.energy_joules) == ("new", None, 900.0)


def test_a_short_run_has_no_price_of_a_canonical_run():
    quick = replace(canonical(BASE, 5.0), canonical_stacks=frozenset())
    assert [cost.run for cost in compare(quick, [canonical(TWICE, 18.0)], {"old": 1.0, "new": 1.0}).costs] == ["new"]


def test_only_facts_that_two_sides_tell_differently_are_differences():
    a = replace(BASE, facts={"memory_bytes": 25_276_502_016, "packages": {"torch": None, "numpy": "2.0"}, "smt": "on"})
    b = replace(TWICE, facts={"memory_bytes": 25_276_510_208, "packages": {"torch": "2.13", "numpy": "2.0"}})
    found = {one.fact: one.values for one in differences([a, b, replace(BASE, facts={})])}
    assert found == {"packages torch": (MISSING, "2.13", NOT_RECORDED)}


def test_every_gpu_is_compared_on_its_own():
    a = replace(BASE, facts={"gpus": [{"name": "One", "driver": "1"}]})
    b = replace(TWICE, facts={"gpus": [{"name": "One", "driver": "2"}]})
    assert [(one.fact, one.values) for one in differences([a, b])] == [("gpus 0 driver", ("1", "2"))]


# --- looks ---------------------------------------------------------------------------------------------------------


def test_details_are_apart_from_what_a_terminal_shows():
    steps = {StackMeasurement(SLOW, f"train_step, batch size {size}"): rounds(0.1, 0.1) for size in (1, 500)}
    found = compare(measured(BASE, steps), [measured(TWICE, steps)])
    shown = to_markdown("", comparison_sections(found))
    assert "batch size 500" not in shown
    assert "batch size 500" in to_markdown("", detail_sections(found))


def test_csv_has_every_number_unrounded_and_nothing_for_nothing():
    third = replace(TWICE, samples={StackMeasurement(SLOW, "train_epoch"): rounds(1 / 3)})
    header, first, *_ = to_csv(compare(BASE, [third])).splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(row["seconds"]) == 1 / 3
    assert row["times_as_fast_low"] == row["low_seconds"] == row["hardware"] == ""
    assert (row["run"], row["base"], row["stack"], row["processes"]) == ("new", "old", SLOW, "1")


def test_json_holds_what_the_tables_show():
    found = to_json(compare(BASE, [TWICE], {"new": 1.0}))
    assert found["base"] == "old"
    assert found["scores"][0]["times_as_fast"]["center"] == pytest.approx(2.0)
    assert found["ratios"][0]["times_as_fast"]["differs"] is True
    assert [run["name"] for run in found["runs"]] == ["old", "new"]


def test_a_hostile_machine_stays_text_and_ten_megabytes_of_it_stay_short():
    hostile = "[bold]<script>alert('|')</script>" + "x" * 10_000_000
    named = replace(TWICE, name="a|b<i>", facts={"cpu_model": hostile})
    found = compare(BASE, [named])
    text = to_markdown("a|b<i>", comparison_sections(found))
    assert len(text) < 20_000
    assert "<script>" not in text and "<i>" not in text
    assert "a\\|b&lt;i&gt;" in text
    values = {one.fact: one.values for one in differences(found.sides)}
    assert values["cpu model"][1].endswith(f"(cut: {len(hostile):,} characters in all)")


def test_the_text_says_that_a_drift_between_the_runs_is_not_in_an_interval():
    text = to_markdown("", comparison_sections(compare(BASE, [TWICE])))
    assert "a drift of a machine between the runs is not in it" in text
    assert "2 of 2 intervals exclude 1; if nothing differed, about 0.1 would" in text


def test_a_page_plots_every_stack_of_every_run_and_its_csv_holds_the_ratios():
    third = replace(TWICE, name="third")
    found = compare(BASE, [TWICE, third])
    chart = comparison_page(found).charts["train_epoch"]
    assert [len(trace["x"]) for trace in chart.figure["data"]] == [2, 2]
    assert Figure(chart.figure).data  # it refuses what Plotly does not know
    assert list(chart.data["times_as_fast"]) == [ratio.speed.center for ratio in found.ratios]
    low = found.ratios[0].speed
    assert chart.figure["data"][0]["error_x"]["arrayminus"][0] == pytest.approx(low.center - low.low)
    rows = {y for trace in chart.figure["data"] for y in trace["y"]}
    assert len(rows) == 4  # two runs of one stack never hide each other


def test_a_page_keeps_hostile_names_text():
    hostile = replace(TWICE, name="</script><img src=x onerror=alert(1)>", facts={"cpu_model": "<b>\"'"})
    page = to_html(comparison_page(compare(BASE, [hostile])))
    assert "<img src=x" not in page and "<b>\"'" not in page
    assert page.count("</script>") == page.count("<script")


# --- many runs -----------------------------------------------------------------------------------------------------


def fifty():
    """A base and 49 runs that are 1.01 to 1.49 times as fast, each with a fact and a note of its own kind."""
    found = [BASE]
    for number in range(1, 50):
        epochs = {SLOW: [2.0 / (1 + number / 100)] * 3, FAST: [1.0 / (1 + number / 100)] * 3}
        facts = {"cpu_model": "Example CPU", "usable_cores": 2, "os": f"Linux 6.{number % 2}"}
        found.append(side(f"run-{number:02d}", epochs, facts=facts, notes=("it is a quick run",)))
    return compare(found[0], found[1:])


def test_from_four_runs_on_a_run_is_a_row_and_names_are_not_repeated():
    found = fifty()
    sections = {section.title: section for section in comparison_sections(found)}
    assert max(len(section.headers) for section in sections.values()) <= 8
    told = headline(found)
    assert told.startswith("By train_epoch, of 49 runs run-49 is the fastest, 1.49 (")
    assert "and run-01 the slowest, 1.01 (" in told and len(told) < 200
    assert len(first_line(found)) < 60
    table = sections[f"{SLOW}, times as fast as the base"]
    assert table.headers == ["run", "train_epoch"] and len(table.cells) == 50
    assert table.cells[0] == ["old, the base", "2.00 s"]
    facts = sections["Differences between the machines"]
    assert facts.cells[1:] == [
        ["os", "Linux 6.1", "25 runs (run-01 to run-49)"],
        ["os", "Linux 6.0", "24 runs (run-02 to run-48)"],
    ]
    assert sections["Notes on the runs"].sentences == ["49 runs (run-01 to run-49): it is a quick run."]


def test_a_page_of_fifty_runs_has_a_row_for_each_run_and_a_colour_for_each_stack():
    found = fifty()
    chart = comparison_page(found).charts["train_epoch"]
    assert len(chart.figure["data"]) == 2
    assert len(chart.figure["layout"]["yaxis"]["ticktext"]) == 49
    assert len(chart.alt) < 300
    assert len(chart.data) == 98
    low, high = chart.figure["layout"]["xaxis"]["range"]
    assert low < math.log10(0.5) and high > math.log10(2)


def test_runs_that_differ_from_none_have_no_fastest():
    alike = compare(BASE, [replace(BASE, name=f"run-{number}") for number in range(4)])
    assert headline(alike) == "By train_epoch, none of 4 runs differs from old."


def test_three_runs_still_stand_side_by_side():
    found = compare(BASE, [TWICE, replace(TWICE, name="third")])
    titles = [section.title for section in comparison_sections(found)]
    assert "new against old, phase by phase" in titles and "third against old, phase by phase" in titles
