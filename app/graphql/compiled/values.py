"""Classes of values, for which a look at the class replaces graphql-core's questions to each value."""

from __future__ import annotations

from types import CoroutineType, GeneratorType, NoneType
from typing import Any

from graphql.pyutils import UndefinedType

from persistence.shapes import ROW_CLASSES

DATA: frozenset[type] = frozenset({str, int, float, bool, dict, list, NoneType})
"""Completed values of these classes are not awaitable."""


class PlainClasses(dict[type, bool]):
    """Whether the values of a class are neither awaitable, nor exceptions, nor nothing. Remembers its answers."""

    def __missing__(self, cls: type) -> bool:
        strange = (BaseException, CoroutineType, GeneratorType, NoneType, UndefinedType)
        plain = not issubclass(cls, strange) and not hasattr(cls, "__await__") and not hasattr(cls, "__getattr__")
        if len(self) < _CLASSES_MAX:
            self[cls] = plain
        return plain


_CLASSES_MAX = 10_000
PLAIN = PlainClasses()
PLAIN.update(dict.fromkeys(ROW_CLASSES, True))  # their `__getattr__` knows their columns only


IMMUTABLE: frozenset[type] = frozenset({str, int, float, bool, NoneType})


def immutable(values: dict[str, Any]) -> bool:
    """Whether arguments may be shared between calls: no resolver can change them for another."""
    return all(value.__class__ in IMMUTABLE for value in values.values())
