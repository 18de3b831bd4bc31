"""``[tool.bench.gate]`` of pyproject.toml: metrics, effects that matter, budget.

[tool.bench.gate]
budget = "60s"                      # of measuring; "60s", "5m"
undecided = "fail"                  # exit code 4, or "pass": 0
metrics = ["train_epoch", "load"]   # default: all that fit a minute

[tool.bench.gate.effect]            # the change that matters
train_epoch = 0.05                  # a fraction of the base; of accuracy a difference: 0.005 is 0.5 points
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.gate.measures import ALL, EXCLUSIVE, MEASURES, STANDARD, all_measures
from bench.gate.verdict import Metric

SECTION = "[tool.bench.gate] of pyproject.toml"


@dataclass(frozen=True)
class GateConfig:
    """Configuration of the gate; ``effects`` holds only overrides of the defaults of ``bench.gate.measures``."""

    budget_seconds: float = 60.0
    undecided_passes: bool = False
    measures: tuple[str, ...] = STANDARD
    effects: dict[str, float] = field(default_factory=dict)

    def metrics(self) -> tuple[Metric, ...]:
        """Return the judged metrics in the order of MEASURES."""
        known = (measure for measure in MEASURES.values() if measure.name in self.measures)
        return tuple(replace(one, effect=self.effects.get(one.name, one.effect)) for one in known)

    def with_measures(self, names: Sequence[str]) -> GateConfig:
        """Return a copy with other measures; raise BenchError for an unknown one, or two that exclude each other."""
        return replace(self, measures=_measures(list(names), "--metric"))


def read_config(path: Path) -> GateConfig:
    """Read the section of the pyproject.toml at ``path``; missing keys, or without the file all, get their defaults.

    An installation from a package index has no such file.  Raises BenchError if the file is not valid TOML, or a key or
    value of the section is unknown.
    """
    try:
        with open(path, "rb") as file:
            section = _section(tomllib.load(file))
    except FileNotFoundError:
        return GateConfig()
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}): the gate takes its thresholds from it.") from error
    except tomllib.TOMLDecodeError as error:
        raise BenchError(f"{path} is not valid TOML ({error}): correct it.") from error
    effects = section.get("effect", {})
    _check_known(effects, MEASURES.keys(), f"effect in {SECTION}")
    for name, effect in effects.items():
        _check_effect(name, effect)
    return GateConfig(
        budget_seconds=parse_duration(section.get("budget", "60s"), f"budget in {SECTION}"),
        undecided_passes=_passes(section.get("undecided", "fail")),
        measures=_measures(section.get("metrics", list(STANDARD)), f"metrics in {SECTION}"),
        effects=dict(effects),
    )


def _section(content: Any) -> dict[str, Any]:
    """Return the table ``tool.bench.gate``, empty if missing; raise BenchError if a table on the way is not one."""
    for depth, key in enumerate(("tool", "bench", "gate"), start=1):
        content = content.get(key, {})
        if not isinstance(content, dict):
            where = ".".join(("tool", "bench", "gate")[:depth])
            raise BenchError(
                f"{where} in pyproject.toml is {content!r}, not a table of keys: see bench/gate/config.py."
            )
    _check_known(content, {"budget", "undecided", "metrics", "effect"}, SECTION)
    return content


def parse_duration(text: Any, where: str = "--budget") -> float:
    """Parse ``90s``, ``90`` or ``1.5m`` as seconds; raise BenchError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h|)", str(text).strip())
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if seconds <= 0:
        raise BenchError(f"{where} is {text!r}, not a duration: write 60s or 5m.")
    return seconds


def _passes(undecided: Any) -> bool:
    if undecided not in ("fail", "pass"):
        raise BenchError(f"undecided in {SECTION} is {undecided!r}: choose fail or pass.")
    return undecided == "pass"


def _measures(names: Any, where: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not names:
        raise BenchError(f"{where} names nothing to measure: choose from {', '.join(MEASURES)}.")
    if names == [ALL]:
        return all_measures()
    for name in names:
        if not isinstance(name, str) or name not in MEASURES:
            raise BenchError(f"{where}: unknown metric {name!r}; choose from {', '.join(MEASURES)}, or {ALL}.")
    if set(names) >= EXCLUSIVE:
        raise BenchError(f"{where}: a process compiles once, cold or warm; judge compile_cold and compile_warm apart.")
    return tuple(dict.fromkeys(names))


def _check_effect(name: str, effect: Any) -> None:
    try:
        if isinstance(effect, bool) or not isinstance(effect, (int, float)):
            raise ValueError(f"metric {name!r} has the effect {effect!r}: use a positive fraction, as 0.05")
        Metric(name, MEASURES[name].unit, float(effect))
    except ValueError as error:
        raise BenchError(f"effect in {SECTION}: {error}.") from error


def _check_known(section: Any, known: Any, where: str) -> None:
    if not isinstance(section, dict):
        raise BenchError(f"{where} is {section!r}, not a table of keys: see bench/gate/config.py.")
    for key in section:
        if key not in known:
            raise BenchError(f"unknown key {key!r} in {where}: choose from {', '.join(sorted(known))}.")
