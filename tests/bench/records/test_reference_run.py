"""Reference runs are the same from frames and from replicates."""

from pathlib import Path

import pytest
from example_race import race
from example_run import measurement, reference_replicate, replicates, write_example_run

from bench.records.frames import drop_invalid, frames_of, measured_replicates
from bench.records.reference_run import ReferenceRun, runs_of_replicates
from bench.records.run_folder import RunFolder
from bench.records.stack_key import StackKey, or_none

RECORDS = Path(__file__).parents[3] / "results" / "records"


def runs_of_frames(frames):
    phases = {}
    for process, phase, seconds in frames.phases[["process", "phase", "seconds"]].itertuples(index=False):
        phases.setdefault(process, {})[phase] = or_none(seconds)
    found = {}
    for row in frames.results.itertuples(index=False):
        own = {name: or_none(getattr(row, name)) for name in ReferenceRun.__dataclass_fields__ if name != "phases"}
        stack = StackKey(**{name: or_none(getattr(row, name)) for name in StackKey._fields})
        found.setdefault(stack, []).append(ReferenceRun(**own, phases=phases.get(row.process, {})))
    return found


def both_ways(path):
    folder = RunFolder.open(path)
    frames, _ = drop_invalid(frames_of([folder]))
    return runs_of_frames(frames), runs_of_replicates(measured_replicates(folder.header, folder.replicates()))


@pytest.mark.parametrize("made", [replicates, race], ids=["one stack", "five stacks"])
def test_frames_and_replicates_give_the_same_runs(tmp_path, made):
    from_frames, from_replicates = both_ways(write_example_run(tmp_path, made()))
    assert from_frames == from_replicates and list(from_frames) == list(from_replicates)
    assert all(sum(run.phases.values()) > 0 for runs in from_frames.values() for run in runs)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(RECORDS.glob("*/*/")), ids=lambda path: path.name)
def test_committed_records_give_the_same_runs(path):
    from_frames, from_replicates = both_ways(path)
    assert from_frames == from_replicates


def test_invalid_values_are_missing_and_an_invalid_clock_is_no_run(tmp_path):
    odd, broken = reference_replicate(1, 1.5, 40.0), reference_replicate(2, 0.98, 40.0)
    odd["measurements"][0]["extra"] |= {"test_examples": 0, "rest_seconds": None}
    broken["measurements"] = [measurement("run", [-1.0], phases={"load": 1.0})]
    from_frames, from_replicates = both_ways(write_example_run(tmp_path, [odd, broken]))
    assert from_frames == from_replicates
    ((run,),) = from_frames.values()
    assert (run.seed, run.test_accuracy, run.test_examples, run.rest_seconds) == (1, None, None, None)
