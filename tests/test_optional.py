"""Taking any one backend's package away leaves everything else working.

Python's path finder is told not to find it, so that it can neither be imported nor asked for.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
# Each question is answered by a fork: of a process in which only what all of them import is imported already.
WITHOUT = """
import importlib.machinery, json, multiprocessing, sys
import pandas, scipy.optimize, scipy.special

def without(packages):
    find_spec = importlib.machinery.PathFinder.find_spec
    importlib.machinery.PathFinder.find_spec = lambda name, *rest: (
        None if name.partition(".")[0] in packages else find_spec(name, *rest)
    )
    import bench.cli, bench.measure.doctor, bench.report.write
    from bench.measure.choose import select_stacks
    from mlp import backends
    answers = {name: vars(answer) for name, answer in backends.available().items()}
    choice = select_stacks(("all",), driver=lambda: backends.Unavailable("no GPU", "Add one."))
    sys.path.insert(0, "tests")
    from small import SMALL, make_toy_data
    from mlp.training import train
    history = train(backends.create("numpy"), SMALL, make_toy_data(), verbose=False)
    return answers, sorted({stack.backend for stack in choice.stacks}), history.epochs[-1].train_loss

packages = sys.argv[1:]
assert not {*packages, "bench", "mlp"} & set(sys.modules)
with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
    found = pool.map(without, [(), *[(package,) for package in packages]], chunksize=1)
print(json.dumps(dict(zip(["nothing", *packages], found))))
"""
PACKAGES = ("theano", "lasagne", "pytensor", "jax", "torch")


@pytest.fixture(scope="module")
def found():
    """The answers without "nothing" and without each of the packages."""
    argv = [sys.executable, "-c", WITHOUT, *PACKAGES]
    done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_without_one_package_the_others_work(package, found):
    backend = "theano" if package == "lasagne" else package
    answers, raced, train_loss = found[package]
    before, raced_before, loss_before = found["nothing"]
    assert answers[backend]["reason"] == f"the package {package} is not installed"
    assert "install" in answers[backend]["remedy"].lower()
    others = set(before) - {backend}
    assert {name: answers[name] for name in others} == {name: before[name] for name in others}
    assert set(raced) == set(raced_before) - {backend}
    assert train_loss == loss_before
