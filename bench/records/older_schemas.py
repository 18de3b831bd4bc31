"""Translation of files of older schema versions to the current names, on reading; all other code knows only these.

Schema 5 of runs renamed ``replicate`` (the interleaved round) to ``round``; schema 2 of gate runs renamed metrics and
seats.
"""

from __future__ import annotations

from typing import Any

GATE_FIELDS = {"seats": "slots", "seat": "slot"}
METRICS = {"validation_epoch": "validate_epoch", "train_step_500": "train_step"}


def current_replicate(replicate: Any) -> Any:
    """Rename the fields of a replicate of schema 1 to 4; a current one is returned unchanged."""
    if "replicate" not in replicate:
        return replicate
    return {"round" if name == "replicate" else name: value for name, value in replicate.items()}


def current_gate_run(content: dict[str, Any]) -> dict[str, Any]:
    """Rename fields and metrics of a gate run of schema 1; malformed parts are left to the validation."""
    return {name: _renamed(value) if name in ("metrics", "blocks") else value for name, value in content.items()}


def _renamed(value: Any, field: str = "") -> Any:
    """Rename the fields of ``value``, and the metric that a ``field`` ``measure`` or ``name`` names."""
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if isinstance(value, dict):
        return {GATE_FIELDS.get(name, name): _renamed(one, name) for name, one in value.items()}
    return METRICS.get(value, value) if field in ("measure", "name") and isinstance(value, str) else value
