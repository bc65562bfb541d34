"""Usage: one record for each attempt and kind, what they come to by day, and a provider's statement held against it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from domain.billing.prices import Usage
from domain.errors import ErrorCode, Rejected
from domain.ids import ChannelId, JobId, PriceId, ProjectId

RETENTION_DAYS_MIN = 30
"""Records are kept at least as long: the database refuses to delete a younger one."""
SPAN_DAYS_DEFAULT = 30
SPAN_DAYS_MAX = 1_100
ROWS_MAX = 10_000
STATEMENT_CHARS_MAX = 500_000
STATEMENT_ROWS_MAX = 20_000
STATEMENT_DAYS_MAX = 366


class UsageGroup(StrEnum):
    """By what usage is added up."""

    DAY = "DAY"
    MODEL = "MODEL"
    CHANNEL = "CHANNEL"
    PROJECT = "PROJECT"
    MEMBER = "MEMBER"
    TOKEN = "TOKEN"


class StatementQuantity(StrEnum):
    """What a provider's statement counts."""

    INPUT_TOKENS = "INPUT_TOKENS"
    OUTPUT_TOKENS = "OUTPUT_TOKENS"
    COST = "COST"


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """Who asked is known from the job. `price_id` is the version that the cost was reckoned by."""

    job_id: JobId
    attempt: int
    kind: str
    model: str
    channel: str
    usage: Usage
    cost_micros: int
    billed: bool
    occurred_at: datetime
    price_id: PriceId | None = None
    project_id: ProjectId | None = None
    channel_id: ChannelId | None = None


def days_between(since: datetime | None, until: datetime | None, now: datetime) -> tuple[date, date]:
    """The days of a report in UTC, both included; the last 30 unless said. Raises Rejected for a span that is none."""
    last = (until or now).astimezone(UTC).date()
    first = since.astimezone(UTC).date() if since is not None else last - timedelta(days=SPAN_DAYS_DEFAULT)
    if first > last:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "`from` lies behind `to`.", "from")
    if (last - first).days > SPAN_DAYS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {SPAN_DAYS_MAX:,} days at a time.", "from")
    return first, last


# -- CSV -------------------------------------------------------------------------------------------------------------

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """RFC 4180. A text that a spreadsheet would take for a formula is quoted with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(one) for one in row])
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return str(value)


# -- a provider's statement ------------------------------------------------------------------------------------------

Counted = dict[tuple[date, str, StatementQuantity], Decimal]
"""Amounts by day in UTC, model and quantity."""
_COLUMNS = {
    "input_tokens": StatementQuantity.INPUT_TOKENS,
    "output_tokens": StatementQuantity.OUTPUT_TOKENS,
    "cost": StatementQuantity.COST,
    "amount": StatementQuantity.COST,
}


@dataclass(frozen=True, slots=True)
class Difference:
    day: date
    model: str
    quantity: StatementQuantity
    ours: Decimal
    theirs: Decimal


def read_statement(text: str) -> Counted:
    """A CSV with the columns day and model, and some of input_tokens, output_tokens and cost. Raises Rejected."""
    if len(text) > STATEMENT_CHARS_MAX:
        raise Rejected(ErrorCode.TOO_LONG, f"At most {STATEMENT_CHARS_MAX:,} characters.", "input", "csv")
    try:
        lines = list(csv.reader(io.StringIO(text.lstrip("\ufeff").replace("\0", ""))))
    except csv.Error:
        raise _unread("This is no CSV.") from None
    names = [name.strip().lower().replace(" ", "_") for name in lines[0]] if lines else []
    columns = {place: _COLUMNS[name] for place, name in enumerate(names) if name in _COLUMNS}
    if not {"day", "model"} <= set(names) or not columns or len(set(columns.values())) < len(columns):
        raise _unread("It needs the columns day and model, and input_tokens, output_tokens or cost, each once.")
    if len(lines) > STATEMENT_ROWS_MAX + 1:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {STATEMENT_ROWS_MAX:,} rows.", "input", "csv")
    found: Counted = {}
    for number, line in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in line):
            continue
        try:
            day, model = date.fromisoformat(line[names.index("day")].strip()), line[names.index("model")].strip()
            amounts = {quantity: _read_amount(line[place]) for place, quantity in columns.items()}
        except (ValueError, IndexError, InvalidOperation):
            raise _unread(f"Line {number} cannot be read: a day is 2026-01-31, an amount a number.") from None
        for quantity, amount in amounts.items():
            found[day, model, quantity] = found.get((day, model, quantity), Decimal(0)) + amount
    return found


def _read_amount(cell: str) -> Decimal:
    amount = Decimal(cell.strip() or "0")
    if not amount.is_finite() or abs(amount.adjusted()) > 18:
        raise ValueError(cell)
    return amount


def _unread(message: str) -> Rejected:
    return Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "csv")


def compare(
    ours: Mapping[tuple[date, str, StatementQuantity], Decimal], theirs: Counted
) -> tuple[list[Difference], int]:
    """Where the two differ, by day and model, in the quantities that the statement has; and how many agree."""
    told = {quantity for _, _, quantity in theirs}
    keys = theirs.keys() | {key for key, amount in ours.items() if key[2] in told and amount}
    zero = Decimal(0)
    differences = [
        Difference(*key, ours.get(key, zero), theirs.get(key, zero))
        for key in sorted(keys)
        if ours.get(key, zero) != theirs.get(key, zero)
    ]
    return differences, len(keys) - len(differences)
