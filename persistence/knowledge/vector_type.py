"""pgvector's half-precision vectors as a column type. Values travel as text: `[0.1,0.2]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType


class HalfVec(UserDefinedType[str]):
    cache_ok = True

    def __init__(self, dimensions: int | None = None) -> None:
        self.dimensions = dimensions

    def get_col_spec(self, **_options: Any) -> str:
        return "HALFVEC" if self.dimensions is None else f"HALFVEC({self.dimensions})"


ischema_names["halfvec"] = HalfVec


def as_text(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"


def from_text(value: str) -> tuple[float, ...]:
    return tuple(map(float, value[1:-1].split(",")))
