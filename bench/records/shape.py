"""Decoding of JSON values into frozen dataclasses by their annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Required, Union, get_args, get_origin, get_type_hints, is_typeddict

from bench.records.schema import is_number

SHOWN_CHARACTERS = 60
Positive = NewType("Positive", float)  # and finite, as a duration is


def build(kind: Any, value: Any, name: str = "it") -> Any:
    """Decode ``value`` as ``kind``: a dataclass, a typed dictionary or a JSON type.

    Unknown fields are ignored; a typed dictionary keeps them.

    Raises ValueError with the path of the invalid value, or the message of the dataclass.
    """
    if is_dataclass(kind):
        return _dataclass(kind, value, name)
    if is_typeddict(kind):
        return _typed_dictionary(kind, value, name)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if value is None and NoneType in inner else build(inner[0], value, name)
    if origin in (list, tuple):
        _require(isinstance(value, list), name, value, "a list")
        return origin(build(inner[0], one, f"{name}[{number}]") for number, one in enumerate(value))
    if origin is Literal:
        _require(value in inner, name, value, f"one of {', '.join(inner)}")
    elif kind is float:
        _require(isinstance(value, float) or is_number(value), name, value, "a number")
        return float(value)
    elif kind is Positive:
        _require(is_number(value) and value > 0, name, value, "a positive number")
    elif kind is int:
        _require(isinstance(value, int) and is_number(value), name, value, "a whole number")
    elif kind is str:
        _require(_is_text(value), name, value, "text")
    elif kind is bool:
        _require(isinstance(value, bool), name, value, "true or false")
    elif origin in (dict, Mapping):
        _require(isinstance(value, dict), name, value, "a table of names and values")
        return {key: build(inner[1], one, f"{name}.{key}") for key, one in value.items()}
    return value


def _is_text(value: Any) -> bool:
    """Tell whether ``value`` is text that can be written: JSON may hold halves of characters."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _dataclass(kind: Any, value: Any, name: str) -> Any:
    _require(isinstance(value, dict), name, value, "a table of names and values")
    found = {}
    for field, hint in _fields(kind):
        if field.name in value:
            found[field.name] = build(hint, value[field.name], f"{name}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{name} has no {field.name}")
    try:
        return kind(**found)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from error


def _typed_dictionary(kind: Any, value: Any, name: str) -> dict[str, Any]:
    _require(isinstance(value, dict), name, value, "a table of names and values")
    found = dict(value)
    for field, hint, is_required in _keys(kind):
        if field in value:
            found[field] = build(hint, value[field], f"{name}.{field}")
        elif is_required:
            raise ValueError(f"{name} has no {field}")
    return found


@cache
def _keys(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    plain, marked = get_type_hints(kind), get_type_hints(kind, include_extras=True)
    return tuple((key, hint, kind.__total__ or get_origin(marked[key]) is Required) for key, hint in plain.items())


@cache
def _fields(kind: Any) -> tuple[tuple[Any, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _require(holds: bool, name: str, value: Any, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {repr(value)[:SHOWN_CHARACTERS]}, not {wanted}")
