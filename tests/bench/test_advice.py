"""Advised commands exist where they are advised."""

import pytest

from bench import advice
from bench.cli import COMMANDS
from bench.cli.run import run


@pytest.mark.parametrize(
    "target, variables, in_checkout, installed",
    [
        ("bench", {}, "make bench", "mlp-bench run"),
        ("report", {}, "make report", "mlp-bench report"),
        (
            "bench",
            {"QUICK": 1, "BACKENDS": "jax torch", "SEEDS": "6-15"},
            "make bench QUICK=1 BACKENDS='jax torch' SEEDS=6-15",
            "mlp-bench run --quick --backend jax --backend torch --seeds 6-15",
        ),
    ],
)
def test_an_installation_has_no_make(monkeypatch, target, variables, in_checkout, installed):
    assert advice.make_command(target, **variables) == in_checkout
    monkeypatch.setattr(advice, "IN_CHECKOUT", False)
    monkeypatch.setattr(advice, "PROGRAM", "mlp-bench")
    assert advice.make_command(target, **variables) == installed
    assert installed.split()[1] in COMMANDS


def test_the_variables_of_make_are_options_of_run():
    assert set(advice.OPTIONS.values()) <= {name for parameter in run.params for name in parameter.opts}
