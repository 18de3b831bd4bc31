"""A run says how fit its machine was, when it was disturbed and by what, and how far its cores were apart."""

import json

import pytest
from example_race import CALM, DRIFT, RACERS, epoch_replicate
from example_run import gpu_reference_replicate, reference_replicate, replicates, write_example_run
from words import section

from bench.records.fitness import Grade, grade_of, mean_share_taken, share_taken
from bench.records.run_folder import RunFolder
from bench.report.compare.runs import timed_run
from bench.report.run.analysis import RunAnalysis
from bench.report.run.core_states import core_state_notices
from bench.report.run.fitness import fitness_notices
from bench.report.run.ranking import cost_sections
from bench.report.write import write_report

THEANO, JAX = RACERS[0], RACERS[1]._replace(noise=CALM)
START = {"uptime_seconds": 100.0, "allowed_cores": [0, 1], "thermal_throttle_events": 3}
START["missing"] = {"cpu_energy_joules": "the processor's energy counters may be read by root only"}
FITNESS = {"start": START, "end": {**START, "uptime_seconds": 200.0}}


def beside(percents, **more):
    """Processes beside which others used so many percent of a core."""
    return [{**one, "other_cpu_percent": percent, **more} for one, percent in zip(replicates(), percents, strict=False)]


def analysis(folder, found, fitness=FITNESS):
    return RunAnalysis(RunFolder.open(write_example_run(folder, found, fitness=fitness)))


@pytest.mark.parametrize(
    ("fraction", "grade"),
    [(0.0, "excellent"), (0.0199, "excellent"), (0.02, "good"), (0.05, "fair"), (0.0999, "fair"), (0.1, "unfit")],
)
def test_a_grade_begins_at_its_limit(fraction, grade):
    assert grade_of(fraction) == grade
    assert grade_of(fraction, is_disturbed=True) is (Grade.UNFIT if fraction >= 0.1 else Grade.FAIR)


def test_the_share_taken_leaves_out_idle_cores_and_is_a_mean_over_time():
    assert share_taken(threads=2, cores=2, other_cpu_percent=50.0) == 0.25
    assert share_taken(threads=1, cores=2, other_cpu_percent=90.0) == 0.0
    assert mean_share_taken([(3.0, 0.0), (1.0, 0.4)]) == pytest.approx(0.1)
    assert mean_share_taken([]) is None


@pytest.mark.slow
def test_a_run_beside_a_busy_loop_is_unfit_and_says_why_and_when(tmp_path):
    found = beside([3.0] * 4 + [100.0] * 8, started_at="2026-01-02T03:04:06+00:00", wall_seconds=60.0)
    path = write_example_run(tmp_path, found, fitness=FITNESS)
    text = write_report(path).read_text()
    first = text.split("## ")[1]
    assert "This machine was unfit to measure: others took 33.8 % of the time of its cores" in first
    assert "more than 10 % in 8 of 12 processes, from 03:04:06 to 03:05:06 UTC" in first
    assert "fitness while it measured" in section(text, "The machine")
    assert "not measured: the processor's energy counters" in section(text, "The machine")
    assert json.loads((path / "summary.json").read_text())["fitness"]["grade"] == "unfit"


def test_a_quiet_run_has_a_grade_and_no_notice(tmp_path):
    found = analysis(tmp_path, beside([2.0] * 12)).fitness
    assert found.sentence == "excellent: others took 1.0 % of the time of its cores"
    assert fitness_notices(found) == []


def test_heat_makes_a_run_fair_and_steal_is_named(tmp_path):
    hot = {"start": START, "end": {**FITNESS["end"], "thermal_throttle_events": 5}}
    found = analysis(tmp_path, beside([2.0] * 11 + [60.0], steal_percent=50.0), hot).fitness
    assert (found.grade, found.disturbances[-1]) == (Grade.FAIR, "heat lowered the clocks 2 times")
    assert found.disturbances[0].endswith("most of it by the host of this virtual machine (steal)")


def test_an_older_record_has_no_grade(tmp_path):
    found = analysis(tmp_path, beside([100.0] * 12), None).fitness
    assert (found.grade, found.sentence, fitness_notices(found)) == (None, None, [])


@pytest.mark.parametrize("damaged", [{"start": 3}, {"end": {"steal_seconds": "many"}}, []])
def test_a_damaged_fitness_damages_the_header(tmp_path, damaged):
    from bench.errors import RecordError

    file = write_example_run(tmp_path, []) / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"fitness": damaged}))
    with pytest.raises(RecordError, match="is damaged"):
        RunFolder.open(file.parent)


# --- distance between the cores --------------------------------------------------------------------------------------


def at(distance_ns, racer, number, after_ns=None, slowness=1.0):
    """The epochs of a racer in one round, while the cores were ``distance_ns`` apart."""
    found = epoch_replicate(racer._replace(epoch_seconds=racer.epoch_seconds * slowness), number)
    ends = {"core_distance_before_ns": distance_ns, "core_distance_after_ns": after_ns or distance_ns}
    return {**found, **ends}


def two_stacks(*theano, changed=()):
    """Four rounds: jax always near, theano at the distances of ``theano`` and there 1.5 times as slow if far."""
    found = []
    for number in range(len(DRIFT)):
        after = 330.0 if number in changed else None
        found += [at(theano[number], THEANO, number, after, 1.5 if theano[number] > 100 else 1.0)]
        found += [at(64.0, JAX, number)]
    return found


def theano_to_jax(found):
    (ratio,) = [one.time_ratio for one in found.against_fastest if one.stack.backend == "theano"]
    return ratio


def test_a_run_at_two_distances_says_so_and_what_it_cost(tmp_path):
    found = analysis(tmp_path, two_stacks(64.0, 330.0, 330.0, 65.0))
    (notice,) = core_state_notices(found)
    assert "64.0 ns in 6 of 8 processes, 330 ns in 2 of 8 processes" in notice
    assert "A training epoch of theano/as_published on cpu takes" in notice and "at 330 ns as at 64.0 ns" in notice
    assert found.fitness.disturbances == ["the cores were at several distances from each other"]


def test_ratios_are_formed_within_one_state(tmp_path):
    ratio = theano_to_jax(analysis(tmp_path, two_stacks(64.0, 330.0, 64.0, 64.0)))
    assert (ratio.num_rounds, ratio.low, ratio.high) == (3, pytest.approx(2.0 / 1.5), pytest.approx(2.0 / 1.5))


def test_the_state_of_a_process_in_which_it_changed_is_unknown(tmp_path):
    found = analysis(tmp_path, two_stacks(64.0, 64.0, 64.0, 64.0, changed=[2]))
    (notice,) = core_state_notices(found)
    assert "it changed during 1" in notice
    assert theano_to_jax(found).num_rounds == 3


def test_with_too_few_rounds_at_one_distance_all_are_kept(tmp_path):
    assert theano_to_jax(analysis(tmp_path, two_stacks(330.0, 330.0, 64.0, 64.0))).num_rounds == 4


def test_a_run_at_one_distance_and_one_that_measured_none_say_nothing(tmp_path):
    assert core_state_notices(analysis(tmp_path / "1", two_stacks(64.0, 70.0, 60.0, 64.0))) == []
    assert core_state_notices(analysis(tmp_path / "2", replicates())) == []


def test_a_comparison_is_told_of_several_distances(tmp_path):
    path = write_example_run(tmp_path, two_stacks(64.0, 330.0, 64.0, 64.0))
    notes = timed_run(RunFolder.open(path), "new").notes
    assert any("several distances between the cores" in note for note in notes)


def test_the_energy_of_the_cpu_stands_beside_that_of_the_gpu(tmp_path):
    on_cpu, on_gpu = reference_replicate(1, 0.98, 39.0), gpu_reference_replicate()
    for one, joules in ((on_cpu, 4000.0), (on_gpu, 300.0)):
        one["measurements"][0]["extra"]["cpu_energy_joules"] = joules
    (both,) = cost_sections(analysis(tmp_path / "both", [on_cpu, on_gpu]).frames)
    column = both.headers.index("reference run, CPU")
    assert [row[column] for row in both.rows] == [4000.0, 300.0]
    (cpu,) = cost_sections(analysis(tmp_path / "cpu", [on_cpu]).frames)
    assert (cpu.title, cpu.headers) == ("Energy", ["stack", "reference run, CPU"])
    assert cpu.sentences == ["Energy of the CPU is that of its packages, all programs included."]
