"""Thresholds and options: what is valid is used, and what is not is one sentence that says where."""

import pytest

from bench.errors import BenchError
from bench.gate.config import GateConfig, parse_duration, read_config
from bench.gate.measures import MEASURES, STANDARD
from bench.measure.worker import PROJECT


def config(tmp_path, text):
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    return read_config(path)


def test_without_a_section_the_defaults_hold(tmp_path):
    assert config(tmp_path, "[tool.other]\nx = 1\n") == GateConfig()
    effects = {metric.name: metric.effect for metric in GateConfig().metrics()}
    assert effects["train_epoch"] == 0.05 and "compile_cold" not in effects


def test_all_is_everything_that_one_process_can_yield(tmp_path):
    everything = config(tmp_path, '[tool.bench.gate]\nmetrics = ["all"]\n')
    assert set(everything.measures) == MEASURES.keys() - {"compile_cold"}
    assert GateConfig().with_measures(("all",)) == everything


def test_a_threshold_replaces_that_of_its_metric_and_no_other(tmp_path):
    read = config(tmp_path, "[tool.bench.gate.effect]\ntrain_epoch = 0.25\n")
    effects = {metric.name: metric.effect for metric in read.metrics()}
    assert effects == {name: MEASURES[name].effect for name in STANDARD} | {"train_epoch": 0.25}


def test_budget_and_undecided_are_read(tmp_path):
    read = config(tmp_path, '[tool.bench.gate]\nbudget = "5m"\nundecided = "pass"\nmetrics = ["load"]\n')
    assert (read.budget_seconds, read.undecided_passes, read.measures) == (300, True, ("load",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tool.bench.gate]\nbugdet = 1\n", "unknown key 'bugdet' in [tool.bench.gate] of pyproject.toml"),
        ("[tool.bench.gate.effect]\nspeed = 0.1\n", "unknown key 'speed' in effect in [tool.bench.gate]"),
        ("[tool.bench.gate.effect]\nload = 0\n", "metric 'load' has the effect 0.0"),
        ("[tool.bench.gate.effect]\nload = nan\n", "metric 'load' has the effect nan"),
        ("[tool.bench.gate.effect]\nload = '5%'\n", "metric 'load' has the effect '5%'"),
        ("[tool.bench.gate.effect]\nload = true\n", "metric 'load' has the effect True"),
        ("[tool.bench.gate.effect]\nvalidation_accuracy = 1\n", "'validation_accuracy' has the effect 1.0"),
        ("[tool.bench.gate]\neffect = 0.05\n", "effect in [tool.bench.gate] of pyproject.toml is 0.05, not a table"),
        ("[tool.bench]\ngate = 5\n", "tool.bench.gate in pyproject.toml is 5, not a table"),
        ("[tool]\nbench = 5\n", "tool.bench in pyproject.toml is 5, not a table"),
        ("[tool.bench.gate]\nbudget = '0s'\n", "budget in [tool.bench.gate] of pyproject.toml is '0s'"),
        ("[tool.bench.gate]\nundecided = 'maybe'\n", "is 'maybe': choose fail or pass"),
        ("[tool.bench.gate]\nmetrics = []\n", "names nothing to measure"),
        ("[tool.bench.gate]\nmetrics = 'load'\n", "names nothing to measure"),
        ("[tool.bench.gate]\nmetrics = ['x']\n", "unknown metric 'x'"),
        ("[tool.bench.gate]\nmetrics = [['x']]\n", "unknown metric ['x']"),
        ("not = = toml\n", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, sentence):
    with pytest.raises(BenchError) as caught:
        config(tmp_path, text)
    assert sentence in str(caught.value)


def test_this_projects_own_section_is_valid():
    assert read_config(PROJECT / "pyproject.toml").metrics()


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("90", 90), ("1.5m", 90), ("2 h", 7200), (45, 45)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "0", "5 days", "nan", "inf", "1e3", None, "1m30s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BenchError, match="not a duration"):
        parse_duration(text)


def test_an_installation_without_the_projects_file_has_the_defaults(tmp_path):
    assert read_config(tmp_path / "pyproject.toml") == GateConfig()
    with pytest.raises(BenchError, match="cannot be read"):
        read_config(tmp_path)
