"""What every type is made with: mapped columns, described enums, scalars, money, errors, connections."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum, StrEnum
from typing import Annotated, Any, Generic, NewType, TypeVar

import strawberry
from sqlalchemy import DateTime, Row, Table, Text, Uuid, inspect
from sqlalchemy.dialects.postgresql import JSONB
from strawberry.schema.config import StrawberryConfig
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry_sqlalchemy_mapper import StrawberrySQLAlchemyMapper

from domain import billing, errors
from persistence import tables  # noqa: F401 - completes the mappings that `mapped` reads
from persistence.listing import TYPENAME
from persistence.paging import Keyset
from persistence.shapes import Row as ShapeRow
from schema.batched import GLOBAL_ID, needs, of_type
from schema.cost import Cost
from schema.ids import encode_id

T = TypeVar("T")


def _to_rfc3339(value: datetime) -> str:
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return utc.isoformat("T", "milliseconds")[: -len("+00:00")] + "Z"


def _from_rfc3339(value: str) -> datetime:
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError("a DateTime needs an offset, such as 2026-01-31T12:00:00Z")
    return parsed


TokenCount = NewType("TokenCount", int)
TOKENS_MAX = 2**53 - 1


def _token_count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= TOKENS_MAX:
        raise ValueError("a TokenCount is an integer from 0 to 2^53-1")
    return value


def _decimal(value: Any) -> Decimal:
    """A number is taken as it reads: 0.1 is a tenth."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("a Decimal is a number, or a number as a string")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("a Decimal is a number such as 12.34") from None
    if not number.is_finite():
        raise ValueError("a Decimal is finite")
    return number


SCALARS: dict[object, Any] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment, in RFC 3339 with an offset: `2026-01-31T12:00:00.000Z`.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
        serialize=_to_rfc3339,
        parse_value=_from_rfc3339,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number as a string: `12.340000`.",
        specified_by_url="https://en.wikipedia.org/wiki/Decimal",
        serialize=str,
        parse_value=_decimal,
    ),
    TokenCount: strawberry.scalar(
        name="TokenCount",
        description="A number of tokens: an integer from 0 to 2^53-1, which JavaScript can hold.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259#section-6",
        serialize=_token_count,
        parse_value=_token_count,
    ),
    strawberry.scalars.JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259",
    ),
}
CONFIG = StrawberryConfig(scalar_map=SCALARS)

_mapper: StrawberrySQLAlchemyMapper[Any] = StrawberrySQLAlchemyMapper(
    extra_sqlalchemy_type_to_strawberry_type_map={
        Uuid: strawberry.ID,
        Text: str,
        DateTime: datetime,
        JSONB: strawberry.scalars.JSON,
    }
)


TABLES: dict[str, Table] = {}
"""The table behind each mapped type, by the type's name."""


def mapped(model: type[Any], /, **columns: str) -> Callable[[type[T]], type[T]]:
    """A GraphQL type of a mapped entity: the named columns with their descriptions, and what the class adds.

    Only what is named becomes public. Values may be entities or rows of the same columns.
    """

    def decorate(cls: type[T]) -> type[T]:
        every = {column.key for column in inspect(model).column_attrs}
        unknown = columns.keys() - every
        if unknown:
            raise TypeError(f"{model.__name__} has no columns {sorted(unknown)}")
        cls.__exclude__ = sorted(every - columns.keys() - vars(cls).get("__annotations__", {}).keys())  # type: ignore[attr-defined]
        description = cls.__doc__
        converted = _mapper.type(model)(cls)
        definition = converted.__strawberry_definition__
        definition.description = description
        TABLES[definition.name] = inspect(model).local_table
        definition.is_type_of = _accepts(model, definition.name)
        for field in definition.fields:
            if field.python_name in columns:
                field.description = columns[field.python_name]
        return converted  # type: ignore[no-any-return]

    return decorate


def _accepts(model: type, name: str) -> Callable[[Any, Any], bool]:
    def is_type_of(value: Any, _info: Any) -> bool:
        if value.__class__ is ShapeRow:
            return value.get(TYPENAME, name) == name
        if isinstance(value, Row):
            return getattr(value, TYPENAME, name) == name
        return isinstance(value, model)

    # Spares the compiled executor making an info for each row.
    is_type_of.needs_no_info = True  # type: ignore[attr-defined]
    return is_type_of


def described_enum(source: type[Enum], **descriptions: str) -> None:
    """Make a domain enum a GraphQL enum, every value described. Annotations then use the domain's own class."""
    made = strawberry.enum(source, description=_first_paragraph(source))
    definition: StrawberryEnumDefinition = made.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = descriptions[value.name]


def _first_paragraph(source: type) -> str:
    return (source.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")


Id = Annotated[strawberry.ID, strawberry.argument(description="A global id.")]


@strawberry.interface(description="Anything that has a global id and can be fetched again with `node`.")
class Node:
    @strawberry.field(
        description="The global id: opaque, and the same for ever.", metadata={**needs("id"), GLOBAL_ID: ("id", None)}
    )
    @of_type(lambda type_name: lambda self: encode_id(type_name, self.id))
    def id(self, info: strawberry.Info[Any, None]) -> strawberry.ID:
        return strawberry.ID(encode_id(info._raw_info.parent_type.name, self.id))  # type: ignore[arg-type]


@strawberry.type(description="Where a page lies in its list.", directives=[Cost(weight=0)])
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follow.")
    has_previous_page: bool = strawberry.field(description="Whether the page was asked for with `after`.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last edge: the next `after`.")


class OrderDirection(StrEnum):
    """Which way to sort."""

    ASC = "ASC"
    DESC = "DESC"


described_enum(
    OrderDirection,
    ASC="Smallest, oldest or first in the alphabet first.",
    DESC="Largest, newest or last in the alphabet first.",
)


NodeT = TypeVar("NodeT")


@strawberry.type(description="One entry of a list, with its cursor.", directives=[Cost(weight=0)])
class Edge(Generic[NodeT]):
    node: NodeT = strawberry.field(description="The entry.")
    cursor: str = strawberry.field(description="Where this entry stands in the list.")


@strawberry.type(description="A page of a list, in keyset order.")
class Connection(Generic[NodeT]):
    edges: list[Edge[NodeT]] = strawberry.field(description="The entries with their cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page lies.")


class RowEdge:
    """An Edge whose cursor is made when somebody asks for it."""

    __slots__ = ("_page", "_row", "node")

    def __init__(self, page: "RowPage", row: Any) -> None:
        self._page = page
        self._row = row
        self.node = row  # which may be replaced by what is made of it

    @property
    def cursor(self) -> str:
        return self._page.cursor(self._row)


class RowPage:
    """A Connection over the rows of a keyset's page: `first` rows, and one more when more follow."""

    __slots__ = ("_after", "_first", "_keyset", "_rows", "_scope", "edges")

    def __init__(self, keyset: Keyset, rows: Sequence[Any], first: int, scope: str, *, after: bool) -> None:
        self._keyset = keyset
        self._rows = rows
        self._first = first
        self._scope = scope
        self._after = after
        self.edges = [RowEdge(self, row) for row in rows[:first]]

    def cursor(self, row: Any) -> str:
        return self._keyset.cursor(row, self._scope)

    @property
    def page_info(self) -> PageInfo:
        return PageInfo(
            has_next_page=len(self._rows) > self._first,
            has_previous_page=self._after,
            start_cursor=self.edges[0].cursor if self.edges else None,
            end_cursor=self.edges[-1].cursor if self.edges else None,
        )


@strawberry.type(description="An exact sum of money.", directives=[Cost(weight=0)])
class Money:
    amount: Decimal = strawberry.field(description="In whole units, with up to six decimals.")
    currency: str = strawberry.field(description="ISO 4217 code.")


def money(micros: int) -> Money:
    value = billing.Money(micros)
    return Money(amount=value.amount, currency=value.currency)


described_enum(
    errors.ErrorCode,
    BAD_USER_INPUT="The input cannot be used as it is.",
    NOT_FOUND="No such thing, or not yours.",
    FORBIDDEN="Your role or token does not allow this.",
    UNAUTHENTICATED="Sign in first.",
    CONFLICT="The thing has changed since you read it.",
    INVALID_STATE="The thing is in a state that does not allow this.",
    ALREADY_EXISTS="There is one already.",
    TOO_LONG="The text is longer than its limit.",
    EMPTY="The text must not be empty.",
    INVALID_CHARACTERS="The text has characters that are not allowed.",
    LIMIT_REACHED="A limit on the number of things is reached.",
    IDEMPOTENCY_CONFLICT="The idempotency key was used for another request.",
    PAYMENT_OVERDUE="An invoice is overdue: what costs something waits until it is paid.",
    QUOTA_EXHAUSTED="The wallet's credit does not cover this.",
    BUDGET_EXCEEDED="A budget has less left than this.",
    PAYMENT_REFUSED="The payment service, or the payer's bank, does not take the payment.",
    CONTEXT_TOO_SMALL="What must be in the prompt does not fit the model's window.",
    NO_CHANNEL="No model channel is available.",
    INVALID_CREDENTIALS="E-mail address or password is wrong.",
    TOKEN_EXPIRED="The token has expired.",
    TOKEN_REUSED="A refresh token was used twice: the session has ended for safety.",
    RATE_LIMITED="Too many requests: wait a little.",
    NOT_ENTITLED="Your plan does not include this; the message names plans that do.",
    PAYMENT_FAILED="The payment was refused, and nothing was changed.",
    COUPON_INVALID="This code cannot be redeemed: no such code, or not by you, not now, not for this.",
    FILE_TOO_LARGE="The file has more bytes, pixels or frames than its purpose allows.",
    STORAGE_FULL="All files of the tenant together would have more bytes than it may keep.",
    FILE_TYPE_REFUSED="Files of this type are not accepted for this purpose.",
    FILE_TYPE_MISMATCH="The file's name says one type and its content another.",
    FILE_AMBIGUOUS="The content can be read as files of two types, which is how dangerous ones are hidden.",
    FILE_DAMAGED="The file's content cannot be read: it is cut off or broken.",
    HASH_MISMATCH="The bytes that arrived are not those whose hash was given.",
)


@strawberry.interface(description="A mistake that a person can mend.")
class UserError:
    message: str = strawberry.field(description="A sentence for the person.")
    field: list[str] | None = strawberry.field(
        description="The path of the input at fault; null when no single one is."
    )
    code: errors.ErrorCode = strawberry.field(description="What kind of mistake it is.")


@strawberry.type(description="Why a mutation did nothing.", directives=[Cost(weight=0)])
class MutationError(UserError):
    pass


@strawberry.interface(description="What every mutation answers: the thing it changed, or why it did nothing.")
class Payload:
    user_errors: list[MutationError] = strawberry.field(
        description="Empty when the mutation did its work.", default_factory=list
    )


def mutation_error(error: errors.Rejected) -> MutationError:
    return MutationError(message=error.message, field=list(error.field) or None, code=error.code)
