"""A price list as operators write it: rows of amounts for a million tokens, and which of them are new.

    - {model: writer-1, input: 0.50, cachedInput: 0.125, output: 2}
    - {model: writer-1, channel: eu, input: 0.40, output: 1.60, perCall: 0.001, ratio: 0.9, priority: 10}

A row may have a `group`, and then decides nothing yet. Amounts are in whole units; `inputMicros` and its like give them
in micro-units. Names may be written `cached_input`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from domain.billing.money import MICRO
from domain.billing.prices import ANY_MODEL, BadRow, Price
from domain.errors import ErrorCode, Rejected

ROWS_MAX = 2_000
TEXT_CHARS_MAX = 500_000
NAME_CHARS_MAX = 200
PRICE_MICROS_MAX = 10**12
RATIO_MAX = 1_000
RATIO_DECIMALS = 6
PRIORITY_MAX = 1_000
DIGITS_MAX = 30
YEARS = range(2000, 2200)
_EVER = datetime.min.replace(tzinfo=UTC)
AHEAD_MAX = timedelta(days=5 * 365 + 1)
"""A price may begin so much later than its import: what lies further ahead is a slip of the pen."""

_AMOUNTS = {
    "input": "input_micros",
    "cachedinput": "cached_input_micros",
    "cachewrite": "cache_write_micros",
    "output": "output_micros",
    "reasoning": "reasoning_micros",
    "percall": "per_call_micros",
}
_OTHERS = {"model", "channel", "group", "ratio", "priority", "validfrom", "validto"}


class PriceFormat(StrEnum):
    """How a price list is written."""

    YAML = "YAML"
    JSON = "JSON"


class _Unfit(Exception):
    """Why a row cannot be used."""


def read_prices(content: object, now: datetime) -> tuple[list[Price], list[BadRow]]:
    """The rows of a parsed list, or of its `prices`: good ones and bad ones. Raises Rejected when it is no list."""
    rows = content.get("prices") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not 1 <= len(rows) <= ROWS_MAX:
        message = f"A price list is a list of 1 to {ROWS_MAX:,} rows, or has one as its `prices`."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "text")
    good: dict[Any, Price] = {}
    bad = []
    for number, row in enumerate(rows, 1):
        try:
            price = _price(row, now)
            if price.key in good:
                raise _Unfit("there is a row for the same model, channel, group and priority before it.")
            good[price.key] = price
        except _Unfit as error:
            model = row.get("model") if isinstance(row, dict) else None
            bad.append(BadRow(number, model[:NAME_CHARS_MAX] if isinstance(model, str) else "", str(error)))
    return list(good.values()), bad


def _price(row: object, now: datetime) -> Price:
    if not isinstance(row, dict) or not all(isinstance(name, str) for name in row):
        raise _Unfit("it is not an object.")
    values = {name.replace("_", "").lower(): value for name, value in row.items() if value is not None}
    known = _OTHERS | _AMOUNTS.keys() | {f"{name}micros" for name in _AMOUNTS}
    if len(values) < len([one for one in row.values() if one is not None]) or (strange := values.keys() - known):
        named = ", ".join(sorted(strange))[:NAME_CHARS_MAX] if values.keys() - known else "a name that is there twice"
        raise _Unfit(f"it has {named}, which says nothing here.")
    amounts = {column: _amount(values, name) for name, column in _AMOUNTS.items()}
    for needed in ("input", "output"):
        if amounts[_AMOUNTS[needed]] is None:
            raise _Unfit(f"{needed} is missing.")
    cached = amounts.pop("cached_input_micros")
    price = Price(
        **amounts | {"per_call_micros": amounts["per_call_micros"] or 0},  # type: ignore[arg-type]
        cached_input_micros=cached if cached is not None else amounts["input_micros"],  # type: ignore[arg-type]
        model=_name(values, "model") or "", channel=_name(values, "channel"), group=_name(values, "group"),
        ratio=_ratio(values.get("ratio", 1)), priority=_priority(values.get("priority", 0)),
        valid_from=_moment(values, "validfrom") or now, valid_to=_moment(values, "validto"),
    )  # fmt: skip
    _check(price, now)
    return price


def _check(price: Price, now: datetime) -> None:
    if not price.model:
        raise _Unfit("model is missing.")
    if price.valid_from is not None and price.valid_from - now > AHEAD_MAX:
        raise _Unfit("validFrom lies more than five years ahead.")
    if price.valid_to is not None and price.valid_from is not None and price.valid_to <= price.valid_from:
        raise _Unfit("validTo does not lie behind validFrom.")
    if price.valid_to is not None and (price.model, price.channel, price.group) == (ANY_MODEL, None, None):
        raise _Unfit("the price of any model has no end: without it there would be none for a model that has no own.")


def _amount(values: Mapping[str, Any], name: str) -> int | None:
    """Micro-units; None when it is not there."""
    if name in values and f"{name}micros" in values:
        raise _Unfit(f"{name} is there twice, in units and in micro-units.")
    if f"{name}micros" in values:
        micros = _number(values[f"{name}micros"], f"{name}Micros")
    elif name in values:
        micros = _number(values[name], name) * MICRO
    else:
        return None
    if not 0 <= micros <= PRICE_MICROS_MAX:
        raise _Unfit(f"{name} lies outside of 0 to {PRICE_MICROS_MAX // MICRO:,}.")
    if micros != int(micros):
        raise _Unfit(f"{name} has more than six decimals.")
    return int(micros)


def _number(value: object, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise _Unfit(f"{name} is not a number.")
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):  # an integer may be too long to be written out
        raise _Unfit(f"{name} is not a number.") from None
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
        raise _Unfit(f"{name} is not a number that can be used.")
    return number


def _ratio(value: object) -> Decimal:
    ratio = _number(value, "ratio")
    if not 0 <= ratio <= RATIO_MAX or ratio != round(ratio, RATIO_DECIMALS):
        raise _Unfit(f"ratio lies within 0 and {RATIO_MAX:,}, with at most {RATIO_DECIMALS} decimals.")
    return ratio


def _priority(value: object) -> int:
    priority = _number(value, "priority")
    if priority != int(priority) or abs(priority) > PRIORITY_MAX:
        raise _Unfit(f"priority is a whole number from -{PRIORITY_MAX:,} to {PRIORITY_MAX:,}.")
    return int(priority)


def _name(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip().isprintable() or not 1 <= len(value.strip()) <= NAME_CHARS_MAX:
        raise _Unfit(f"{name} is a text of 1 to {NAME_CHARS_MAX} characters.")
    return value.strip()


def _moment(values: Mapping[str, Any], name: str) -> datetime | None:
    value = values.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None or moment.year not in YEARS:
        raise _Unfit(f"{name[:5]}{name[5:].title()} is a moment with an offset, such as 2026-01-31T12:00:00Z.")
    return moment


def new_versions(wanted: Iterable[Price], last: Iterable[Price]) -> tuple[list[Price], list[BadRow]]:
    """Of a list's rows, in its order, those that say something new; and those that begin before what they follow.

    `last` has the last version of each price, with an end or without.
    """
    standing = {one.key: one for one in last}
    added, bad = [], []
    for number, price in enumerate(wanted, 1):
        before = standing.get(price.key)
        if before is None:
            added.append(price)
            continue
        since, beginning = _since(price), _since(before)
        if (price.terms, price.valid_to) == (before.terms, before.valid_to) and since >= beginning:
            continue
        if since > beginning:
            added.append(price)
        else:
            reason = f"a version that begins at {beginning.isoformat()} is there already."
            bad.append(BadRow(number, price.model, reason))
    return added, bad


def _since(price: Price) -> datetime:
    return price.valid_from or _EVER
