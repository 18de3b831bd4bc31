"""Stacks of a record: their identity, the canonical one, and the rows of each in a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

CANONICAL_PRECISION = "float32"
NO_STACK = ""  # for loading, which uses no framework, and for files without stacks
WITHOUT_STACKS = ("ablation", "ceilings")  # harnesses that measure stacks without a part, or no stacks


class StackKey(NamedTuple):
    """Columns that identify a stack; ``precision`` is None in records of schema 1."""

    backend: str
    variant: str
    device: str
    precision: str | None
    threads: int | None

    @classmethod
    def of(cls, keys: Mapping[str, Any]) -> StackKey:
        """Return the stack of a mapping that may have other keys too; a missing one is None."""
        return cls(*map(keys.get, cls._fields))

    @property
    def name(self) -> str:
        """Name for display, e.g. ``jax/scan on cuda``, with the precision unless it is the canonical one."""
        return f"{self.backend}/{self.variant} on {self.device}{self._precision}"

    @property
    def name_with_threads(self) -> str:
        return f"{self.backend}/{self.variant} {self.device}{self._precision}, {self.threads} threads"

    @property
    def _precision(self) -> str:
        return "" if self.has_canonical_precision else f" ({self.precision})"

    @property
    def has_canonical_precision(self) -> bool:
        return self.precision in (None, CANONICAL_PRECISION)

    @property
    def is_canonical(self) -> bool:
        """True if it is the reference: Theano as published, on the CPU, which every machine has."""
        published = (self.backend, self.variant, self.device) == ("theano", "as_published", "cpu")
        return published and self.has_canonical_precision

    @property
    def device_kind(self) -> str:
        """Kind of device, e.g. ``cuda`` for ``cuda:1``."""
        return self.device.partition(":")[0]


CANONICAL_NAME = StackKey("theano", "as_published", "cpu", CANONICAL_PRECISION, None).name


def stack_from_keys(keys: Mapping[str, Any]) -> StackKey | None:
    """Return the stack of a case, or None for loading, which has none."""
    stack = StackKey.of(keys)
    return None if stack.backend is None else stack


def by_stack(frame: pd.DataFrame) -> Iterator[tuple[StackKey, pd.DataFrame]]:
    """Yield (stack, its rows) in the order of first appearance."""
    for keys, rows in groups(frame, list(StackKey._fields)):
        yield StackKey(**keys), rows


def canonical_of(stacks: Any) -> StackKey | None:
    """Return the canonical one among ``stacks``, or None."""
    return next((stack for stack in stacks if stack.is_canonical), None)


def groups(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield (keys, rows) in the order of first appearance; a missing key is None."""
    for values, rows in frame.groupby(columns, observed=True, sort=False, dropna=False):
        yield {name: or_none(value) for name, value in zip(columns, values, strict=True)}, rows


def or_none(value: Any) -> Any:
    """Convert a frame's cell to a plain Python value; NA is None."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
