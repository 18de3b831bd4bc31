"""Fixtures of the harnesses: the case (backend, device, dataset, effort), and the results for the runner.

By hand: ``pytest bench/harness --backend theano --device cpu --data DIR``.  ``bench run`` passes the same options and,
in addition, ``--result FILE``, to which this process writes measurements and reasons of failures.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.harness.starting import FIRST_LOAD
from bench.measure.facts import process_facts
from bench.measure.process import describe, end_with_parent
from bench.records import files
from mlp.errors import MlpError
from mlp.recipe import CANONICAL, Recipe


@dataclass(frozen=True)
class Assignment:
    """Assignment of this process; ``quick`` means few rounds."""

    backend: str
    variant: str | None
    device: str
    recipe: Recipe
    quick: bool


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mlp-bench", "what to measure")
    group.addoption("--backend", default="theano", help="backend that executes the recipe (default: theano)")
    group.addoption("--variant", default=None, help="how to run that backend (default: its first variant)")
    group.addoption("--device", default="cpu", help="cpu, cuda or cuda:<index> (default: cpu)")
    group.addoption("--data", default=None, help="directory with the MNIST files (default: where load_data looks)")
    group.addoption("--data-digest", default=None, help="what mlp.dataset.identify called the files on disk")
    group.addoption("--batch-size", type=int, default=CANONICAL.batch_size, help="examples per minibatch")
    group.addoption("--epochs", type=int, default=CANONICAL.num_epochs, help="epochs of the reference run")
    group.addoption("--seed", type=int, default=CANONICAL.seed, help="seed of weights, order and masks")
    group.addoption("--copies", type=int, default=1, help="trainings side by side, each of OMP_NUM_THREADS threads")
    group.addoption("--devices", type=int, default=None, help="devices that share one training (default: plain)")
    group.addoption("--quick", action="store_true", help="fewer rounds: for a first look, not for a claim")
    group.addoption("--result", default=None, help="file for the runner: measurements and failures as JSON")


def pytest_configure(config: pytest.Config) -> None:
    end_with_parent()


@pytest.fixture(scope="session")
def case(pytestconfig: pytest.Config) -> Assignment:
    option = pytestconfig.getoption
    recipe = replace(CANONICAL, batch_size=option("--batch-size"), num_epochs=option("--epochs"), seed=option("--seed"))
    return Assignment(option("--backend"), option("--variant"), option("--device"), recipe, option("--quick"))


@pytest.fixture(scope="session")
def data_directory(pytestconfig: pytest.Config) -> Path:
    from mlp.dataset import locate

    found = locate(pytestconfig.getoption("--data")).directory
    _measured_on.append(found)
    return found


@pytest.fixture(scope="session")
def data(data_directory: Path):
    from mlp.dataset import load_files

    return load_files(data_directory)


@pytest.fixture(scope="session")
def start_seconds() -> dict[str, float]:
    """Return {part: seconds} of making ``untouched``."""
    return {}


@pytest.fixture(scope="session")
def untouched(case: Assignment, start_seconds: dict[str, float], request: pytest.FixtureRequest):
    """Return the compiled backend of the case with initial weights and data in place, before any step."""
    from bench.harness.starting import start
    from mlp.backends import create

    backend = create(case.backend, case.variant, case.device)
    backend.import_framework(case.device)
    load = partial(request.getfixturevalue, "data")
    start_seconds.update(start(backend, case.recipe, case.device, load))
    return backend


@pytest.fixture(scope="session")
def first_seconds(case: Assignment, untouched, data) -> dict[str, float]:
    """Return {name: seconds} of the first training call of this process, including lazy loading and allocation.

    The call is a step; or an epoch, for a variant that compiles complete epochs.
    """
    import numpy as np

    case.recipe.check_batch_fits(len(data.X_train))
    batch = case.recipe.batch_size
    start = time.perf_counter()
    if untouched.variant.resident:
        untouched.train_epoch(data.X_train, data.y_train, np.arange(len(data.X_train)))
    else:
        untouched.train_step(data.X_train[:batch], data.y_train[:batch])
    untouched.synchronize()
    name = "first_epoch" if untouched.variant.resident else "first_step"
    return {name: time.perf_counter() - start}


@pytest.fixture(scope="session")
def compiled(untouched, first_seconds):
    """Return the backend of the case after its first step or epoch, ready to be timed."""
    return untouched


@pytest.fixture(scope="session")
def engine(case: Assignment):
    """Return the ``bench.measure.frameworks.Engine`` of the case with the threads of this process."""
    from bench.machine.fingerprint import usable_cores
    from bench.measure import frameworks

    threads = int(os.environ.get("OMP_NUM_THREADS") or usable_cores())
    return frameworks.create(case.backend, case.device, threads, frameworks.Sizes.of(case.device, case.recipe))


@pytest.fixture(scope="session")
def order(case: Assignment, data):
    """Return the order of the training examples in the first epoch, int (num_examples,)."""
    from mlp.seeding import random_stream

    return random_stream(case.recipe, "order").permutation(len(data.X_train))


@pytest.fixture(scope="session")
def train_epoch(compiled, data, order) -> Callable[[], None]:
    """Return a function that trains one epoch synchronously."""

    def train_epoch() -> None:
        compiled.train_epoch(data.X_train, data.y_train, order)
        compiled.synchronize()

    return train_epoch


# --- results for the runner --------------------------------------------------------------------------------------

_failures: list[dict[str, str]] = []
_measured_on: list[Path] = []  # directory of the data, if this process used it


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = (yield).get_result()
    if report.failed and call.excinfo is not None:
        error = call.excinfo.value
        is_sentence = isinstance(error, (BenchError, MlpError)) and str(error)
        reason = str(error).splitlines()[0] if is_sentence else describe(error)
        _failures.append({"measurement": item.name, "reason": reason})


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--result")
    if not path:
        return
    benchmarks = getattr(session.config, "_benchmarksession", None)
    measurements = [
        {
            # ``test_train_step[500]`` measures ``train_step``.
            "name": one.extra_info.pop("name", None) or one.name.removeprefix("test_").partition("[")[0],
            "seconds": list(one.extra_info.pop("samples_seconds", None) or one.stats.data),
            "params": dict(one.params or {}),
            "extra": dict(one.extra_info),
        }
        for one in (benchmarks.benchmarks if benchmarks else [])
        if one and not one.has_error
    ]
    for measurement in list(measurements):  # additional durations of a run, e.g. compile phases
        for name, seconds in measurement["extra"].pop("parts_seconds", {}).items():
            measurements.append({"name": name, "seconds": seconds, "params": measurement["params"], "extra": {}})
        for name, seconds in measurement["extra"].pop("start_seconds", {}).items():
            of = {"harness": "data" if name == FIRST_LOAD else "compile", "batch_size": None}
            measurements.append({"name": name, "seconds": [seconds], "params": of, "extra": {}})
    told = [one["extra"].pop("process") for one in measurements if "process" in one["extra"]]
    facts = told[0] if told else process_facts()
    if problem := _other_data(session.config.getoption("--data-digest")):
        measurements = []
        _failures.append({"measurement": "data", "reason": problem})
    files.write(path, json.dumps({"measurements": measurements, "failures": _failures, "process": facts}))


def _other_data(digest: str | None) -> str | None:
    """Return the reason if the data files differ from the plan's, else None.  Called last, as hashing takes time."""
    from mlp.dataset import check_unchanged

    try:
        for directory in _measured_on if digest else []:
            check_unchanged(directory, digest)
    except MlpError as error:
        return str(error)
    return None
