"""Price lists as text. What they say is `domain.billing.price_list`'s to judge."""

from __future__ import annotations

import json

import yaml  # type: ignore[import-untyped]

from domain.billing.price_list import TEXT_CHARS_MAX, PriceFormat
from domain.errors import ErrorCode, Rejected

_DEPTH_MAX = 4
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_prices(text: str, format_: PriceFormat) -> object:
    """The list as plain values. Raises Rejected for what is too long or cannot be parsed."""
    if len(text) > TEXT_CHARS_MAX:
        raise Rejected(ErrorCode.TOO_LONG, f"At most {TEXT_CHARS_MAX:,} characters.", "input", "text")
    try:
        return json.loads(text) if format_ is PriceFormat.JSON else _parse_yaml(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        place = getattr(error, "problem_mark", None)
        line = getattr(error, "lineno", place.line + 1 if place is not None else None)
        where = f" Look at line {line}." if line is not None else ""
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"This is no {format_}.{where}", "input", "text") from None


def _parse_yaml(text: str) -> object:
    """Flat YAML: an alias, which may stand for ever more of itself, and deep nesting are refused unread."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH_MAX or isinstance(event, yaml.AliasEvent):
            raise ValueError("a price list is flat and has no aliases")
    return yaml.load(text, Loader=_LOADER)
