"""Where a value stands in the response, as cheaply as a tuple; graphql-core's Path where somebody looks."""

from __future__ import annotations

from typing import TypeAlias

from graphql.pyutils import Path

Place: TypeAlias = "tuple[Place | None, str | int, str | None] | None"
"""(the place above, key or index, name of the type above); a `Path` is one, too."""


def as_path(place: Place) -> Path | None:
    if place is None or place.__class__ is Path:
        return place
    above, key, typename = place
    return Path(as_path(above), key, typename)
