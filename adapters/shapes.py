"""Reading JSON that may have any shape. What is not of the shape due raises TypeError, which ends as INVALID_RESPONSE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def object_in(value: Any) -> dict[str, Any]:
    """An object; null counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} where an object was due")
    return value


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """A list of objects; null counts as an empty one."""
    if not isinstance(value, list | None):
        raise TypeError(f"{type(value).__name__} where a list was due")
    return map(object_in, value or ())


def text_in(value: Any) -> str:
    """Text; null counts as empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text was due")
    return value


def count_in(counts: Mapping[str, Any], name: str) -> int:
    """A count of tokens; what is none, or below zero, counts as zero: a strange counter must not spoil the text."""
    value = counts.get(name)
    return max(value, 0) if isinstance(value, int) else 0
