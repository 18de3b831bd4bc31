"""The options of ``python -m bench gate`` -> what is to be compared, and by which configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.errors import BenchError
from bench.gate.config import GateConfig, parse_duration, read_config
from bench.gate.processes.session import GateRequest, resolve_stack
from bench.gate.processes.sides import SideSpec
from bench.measure.process import PROJECT

MAIN = "main"  # the base, unless an option names the sides
INJECTIONS = ("inject", "inject_memory")


def config_of(options: dict[str, Any]) -> GateConfig:
    """Return pyproject.toml's configuration with the overrides of the command line."""
    config = read_config(PROJECT / "pyproject.toml")
    changes: dict[str, Any] = {}
    if options["budget"] is not None:
        changes["budget_seconds"] = parse_duration(options["budget"])
    if options["undecided"] is not None:
        changes["undecided_passes"] = options["undecided"] == "pass"
    config = replace(config, **changes)
    return config.with_measures(options["metrics"]) if options["metrics"] else config


def request_of(options: dict[str, Any], config: GateConfig, default: str | None = None) -> GateRequest:
    """Return both sides and the stack; the base is revision ``default`` if no option names a side."""
    check_injections(options)
    if options["against"] and options["revision_a"]:
        raise BenchError("--against and --revision-a both name the base's revision: give one of them.")
    names_a_side = any(options[f"{what}_{side}"] for what in ("revision", "python", "env") for side in "ab")
    names_a_side = names_a_side or any(options[name] != 1 for name in INJECTIONS)
    revision = options["against"] or options["revision_a"] or (None if names_a_side else default)
    return GateRequest(
        base=SideSpec(revision, options["python_a"], options["env_a"]),
        candidate=SideSpec(options["revision_b"], options["python_b"], options["env_b"]),
        stack=resolve_stack(options["backend"], options["variant"], options["device"]),
        measures=config.measures,
        data=options["data"],
        threads=options["threads"],
        inject_seconds=options["inject"] - 1,
        inject_bytes=options["inject_memory"] - 1,
        project=PROJECT,
    )


def check_injections(options: dict[str, Any]) -> None:
    for name in INJECTIONS:
        if not 1 <= options[name] < 10:
            raise BenchError(f"--{name.replace('_', '-')} is a factor from 1 to 10, e.g. 1.05, got {options[name]:g}.")
