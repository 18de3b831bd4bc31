"""Ablation section: ratios of interleaved rounds, and sentences on missing rows."""

import json

import pytest
from example_race import RACERS, race
from example_run import case, measurement, planned, replicate, write_example_run
from words import row, section, titles, write_words

import bench
from bench.report.run.ranking import cost_sections
from bench.units import MISSING

TITLE = "Ablation of the tuning"
# The machine was half as fast in the second round, and a little slower in the third.
DRIFT = [1.0, 2.0, 1.1]
TUNED, UPDATE, PRODUCTS_LEVER = ("tuned", None), ("tuned", "update"), ("tuned", "products")
PUBLISHED, PRODUCTS = ("as_published", None), (None, None)
STEP_SECONDS = {TUNED: 0.010, PRODUCTS_LEVER: 0.013, UPDATE: 0.011, PUBLISHED: 0.020, PRODUCTS: 0.008}


def ablation_case(key):
    variant, without = key
    stack = {"backend": "theano", "cache": "warm"} if variant else {"backend": None, "cache": None}
    stack["precision"] = "float32" if variant else None
    return case("ablation", variant=variant, without=without, batch_size=500, **stack)


def ablation_replicate(key, number, reason=None):
    seconds = STEP_SECONDS[key] * DRIFT[number]
    name = "mean_train_step" if key[0] else "eight_products"
    measurements = [] if reason else [measurement(name, [seconds, seconds])]
    return {**replicate(ablation_case(key), measurements, reason), "round": number}


def rounds(keys=tuple(STEP_SECONDS), num_rounds=3):
    return [ablation_replicate(key, number) for number in range(num_rounds) for key in keys]


def plan(num_processes=3):
    return [planned(ablation_case(key), num_processes) for key in STEP_SECONDS]


@pytest.fixture
def written(tmp_path):
    """(the section, summary.json's part) of a run with ``replicates``."""

    def written(replicates, **changes):
        path = write_example_run(tmp_path, replicates, **changes)
        text = write_words(path)
        return section(text, TITLE), json.loads((path / "summary.json").read_text())["ablation"]

    return written


def test_ratios_are_of_the_same_round_and_do_not_see_the_drift(written):
    """By hand: without update 11 ms to 10 ms; as published 20 ms; the eight products 8 ms."""
    text, _ = written(rounds(), plan=plan())
    assert row(text, "tuned")[1:3] == ["3", "11.0 ms"] and row(text, "tuned")[4:] == [MISSING, MISSING]
    assert row(text, "without update")[4:] == ["1.10", "1.10 to 1.10"]
    assert row(text, "as_published")[4:] == ["2.00", "2.00 to 2.00"]
    assert row(text, "eight products")[4:] == ["0.800", "0.800 to 0.800"]
    assert "takes 1.25 times as long as its eight matrix products alone (95 % interval 1.25 to 1.25, 3 rounds)." in text
    assert "takes 0.500 times as long as one of theano/as_published (95 % interval 0.500 to 0.500, 3 rounds)." in text
    assert "Missing" not in text


def test_the_interval_is_that_of_the_ratios(written):
    """Student's t with two degrees of freedom, 4.3027, on the logarithms of 1.1, 1.2 and 1.3, whose mean is 0.1800."""
    noisy = rounds([TUNED])
    for number, factor in enumerate((1.1, 1.2, 1.3)):
        one = ablation_replicate(UPDATE, number)
        seconds = STEP_SECONDS[TUNED] * DRIFT[number] * factor
        noisy.append({**one, "measurements": [measurement("mean_train_step", [seconds])]})
    _, summary = written(noisy)
    (ratio,) = (one["time_ratio"] for one in summary["rows"] if one["name"] == "without update")
    assert ratio["center"] == pytest.approx(1.2)
    assert (ratio["low"], ratio["high"]) == (pytest.approx(0.9728, abs=1e-3), pytest.approx(1.4735, abs=1e-3))
    assert ratio["num_rounds"] == 3


def test_rows_stand_in_the_order_of_the_plan_between_the_whole_and_what_it_is_held_against(written):
    text, summary = written(list(reversed(rounds())), plan=plan())
    names = ["tuned", "without products", "without update", "as_published", "eight products"]
    assert [one["name"] for one in summary["rows"]] == names
    assert "that row includes the effect of threads" in text


def test_one_round_has_ratios_and_no_interval(written):
    text, _ = written(rounds(num_rounds=1))
    assert row(text, "without update")[1:] == ["1", "11.0 ms", "1.10"]
    assert "1.25 times as long as its eight matrix products alone (one round, so no interval)." in text


def test_without_tuned_itself_the_steps_are_shown_without_ratios(written):
    text, summary = written(rounds([UPDATE, PUBLISHED, PRODUCTS]))
    assert row(text, "tuned") == ["tuned", "0", MISSING, MISSING]
    assert row(text, "as_published")[2] == "22.0 ms" and len(row(text, "as_published")) == 4  # no ratios, no columns
    assert "has no ratio to its eight matrix products alone: no round measured both." in text
    assert "Missing: tuned. The rest is compared nevertheless." in text
    assert summary["tuned_to_products"] is None


def test_failed_processes_of_one_optimization_are_counted_and_the_rest_is_compared(written):
    replicates = [one for one in rounds() if one["case"] != ablation_case(UPDATE) or one["round"] == 2]
    replicates += [ablation_replicate(UPDATE, number, reason="it crashed (SIGSEGV)") for number in range(2)]
    text, _ = written(replicates, plan=plan())
    assert row(text, "without update")[1:] == ["1", "12.1 ms", MISSING, "1.10", MISSING]
    assert row(text, "as_published")[4:] == ["2.00", "2.00 to 2.00"]
    assert "Missing: without update (1 of 3 processes). The rest is compared nevertheless." in text


def test_an_optimization_that_never_could_be_measured_keeps_its_row(written):
    others = [key for key in STEP_SECONDS if key != UPDATE]
    text, _ = written(rounds(others), plan=plan())
    assert row(text, "without update") == ["without update", "0", MISSING, MISSING, MISSING, MISSING]
    assert "Missing: without update (0 of 3 processes)." in text


@pytest.mark.parametrize("optimization", ["sparsity", "loss"])
def test_that_sparsity_depends_on_the_data_is_said_where_it_was_left_out(written, optimization):
    """Older records do not know this optimization."""
    replicates = [
        {**ablation_replicate(TUNED, number), "case": ablation_case(("tuned", optimization))} for number in range(3)
    ]
    text, _ = written(replicates)
    assert ("The effect of sparsity depends on the data" in text) == (optimization == "sparsity")


def test_what_failed_names_the_optimization(tmp_path):
    failed = ablation_replicate(UPDATE, 0, reason="it crashed (SIGSEGV)")
    text = write_words(write_example_run(tmp_path, [failed]))
    assert row(section(text, "Failures"), "ablation")[1:3] == [
        "theano/tuned on cpu without update",
        "it crashed (SIGSEGV)",
    ]


# --- nothing else sees it ---------------------------------------------------------------------------------------------


@pytest.fixture
def race_with_and_without(tmp_path):
    """(report, summary) of a race without the ablation, and of the same with it."""

    def of(name, replicates):
        path = write_example_run(tmp_path / name, replicates)
        text = write_words(path)
        return text, json.loads((path / "summary.json").read_text())

    return of("plain", race()), of("ablated", race() + rounds())


@pytest.mark.slow
def test_the_ablation_changes_nothing_else_in_the_report(race_with_and_without):
    """Its samples are of theano/as_published on cpu, too, and much shorter than that stack's."""
    (plain, _), (ablated, _) = race_with_and_without
    assert TITLE not in titles(plain)
    assert ablated.replace(f"## {section(ablated, TITLE)}", "") == plain


@pytest.mark.slow
def test_the_summary_keeps_optimizations_apart_and_changes_nothing_else(race_with_and_without):
    (_, plain), (_, ablated) = race_with_and_without
    assert plain["ablation"] is None
    measured = [one for one in ablated["measurements"] if one["harness"] == "ablation"]
    assert {(one["variant"], one["without"]) for one in measured} == set(STEP_SECONDS)
    assert [one for one in ablated["measurements"] if one["harness"] != "ablation"] == plain["measurements"]
    changed = {name for name in plain if plain[name] != ablated[name]}
    assert changed == {"ablation", "measurements"}


def test_throttled_samples_of_a_stack_are_counted_among_its_own(tmp_path):
    (racer, *_) = RACERS
    replicates = race([racer])
    replicates[0]["measurements"][0]["extra"] |= {"throttled": True, "throttle_reasons": ["cpu thermal"]}

    def sentences(name, more):
        (found,) = cost_sections(bench.load_runs(write_example_run(tmp_path / name, replicates + more)))
        return found.sentences

    assert sentences("ablated", rounds()) == sentences("plain", [])


def test_optimizations_left_out_are_a_column_and_missing_where_nothing_is(tmp_path):
    frames = bench.load_runs(write_example_run(tmp_path, rounds([TUNED, UPDATE], 1) + race(RACERS[:1])))
    ablated = frames.samples[frames.samples["harness"] == "ablation"]
    assert ablated["without"].dropna().unique().tolist() == ["update"]
    assert len(ablated["without"].dropna()) == 2  # of four samples
    assert frames.samples[frames.samples["harness"] != "ablation"]["without"].isna().all()
