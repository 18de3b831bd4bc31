"""A side whose plugin does not conform is not judged; the built-in backends are not checked again."""

from pathlib import Path

import pytest

from bench.gate.processes import session
from bench.gate.processes.launch import SideError
from bench.gate.processes.session import GateRequest
from bench.gate.processes.sides import Side, SideSpec
from bench.measure.case import Stack
from bench.measure.conformance.check import StackCheck
from bench.measure.conformance.judge import ClauseResult, ClauseState

PLUGIN = Stack("fake", "float64", "cpu", "float64")
SIDES = Side("A", Path(), python=Path("old")), Side("B", Path(), python=Path("new"))


@pytest.fixture
def checked(monkeypatch):
    """The interpreters that were checked; the one called ``new`` violates a clause."""
    checked = []

    def check(stack, threads, passed, python):
        checked.append(str(python))
        state = ClauseState.VIOLATED if str(python) == "new" else ClauseState.HOLDS
        return StackCheck(stack, (ClauseResult("loss", "the loss is the mean", state, "off by 3"),))

    monkeypatch.setattr(session, "check", check)
    return checked


def request(stack):
    return GateRequest(SideSpec(), SideSpec(), stack, (), threads=1)


def test_a_side_that_does_not_conform_is_named(checked):
    with pytest.raises(SideError) as caught:
        session._check_conformance(SIDES, request(PLUGIN))
    assert checked == ["old", "new"]
    assert "side B" in str(caught.value) and "does not conform there: the loss is the mean: off by 3" in str(
        caught.value
    )


def test_one_environment_is_checked_once_and_built_in_backends_never(checked):
    session._check_conformance((SIDES[0], SIDES[0]), request(PLUGIN))
    session._check_conformance(SIDES, request(Stack("theano", "tuned", "cpu")))
    assert checked == ["old"]
