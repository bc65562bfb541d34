"""Whether all targets say the same."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

OWN_IDS = ("postgraphile",)
"""Targets whose global ids, cursors and format of moments are their own."""
CURSORS = ("cursor", "startCursor", "endCursor")
MOMENTS = ("createdAt", "updatedAt")


def checked(bodies: dict[str, str]) -> None:
    """Raises RuntimeError with the first target that answers otherwise than the first, or with errors."""
    answers = {target: json.loads(body) for target, body in bodies.items()}
    for target, answer in answers.items():
        if "errors" in answer:
            raise RuntimeError(f"{target} answers with errors: {json.dumps(answer['errors'])[:500]}")
    first = next((target for target in answers if target not in OWN_IDS), next(iter(answers)))
    for target, answer in answers.items():
        data, expected = answer["data"], answers[first]["data"]
        if target in OWN_IDS:
            data, expected = neutral(data), neutral(expected)
        if data != expected:
            raise RuntimeError(f"{target} answers otherwise than {first}: {json.dumps(data)[:500]}")


def neutral(data: Any) -> Any:
    """An answer with ids and cursors by their order of appearance, ids in the whole of it and cursors in their list,
    and moments to the millisecond.
    """
    return _neutral(data, {}, {})


def _neutral(value: Any, ids: dict[str, int], cursors: dict[str, int]) -> Any:
    if isinstance(value, list):
        return [_neutral(one, ids, cursors) for one in value]
    if not isinstance(value, dict):
        return value
    if "edges" in value:
        cursors = {}
    return {key: _member(key, one, ids, cursors) for key, one in value.items()}


def _member(key: str, value: Any, ids: dict[str, int], cursors: dict[str, int]) -> Any:
    if not isinstance(value, str):
        return _neutral(value, ids, cursors)
    if key == "id":
        return ids.setdefault(value, len(ids))
    if key in CURSORS:
        return cursors.setdefault(value, len(cursors))
    if key in MOMENTS:
        return datetime.fromisoformat(value).isoformat(timespec="milliseconds")
    return value
