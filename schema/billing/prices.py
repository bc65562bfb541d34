"""Prices and their import."""

from decimal import Decimal

import strawberry

from domain.billing import prices as domain
from domain.billing.price_list import PriceFormat
from schema.base import Money, Node, Payload, described_enum, mapped, money
from schema.batched import needs

described_enum(PriceFormat, YAML="Flat YAML, without aliases.", JSON="JSON.")


@mapped(
    domain.Price,
    model='The model; "*" for any that has no price of its own.',
    channel="Only on this channel; null for any.",
    priority="Among equally specific prices the higher decides.",
    valid_from="From when it holds.",
    valid_to="Until when it holds: the next version's beginning; null for the last one.",
)
class Price(Node):
    """One version of a price, for a million tokens. It is never changed: a new version follows it."""

    ratio: Decimal = strawberry.field(description="What the whole of a call's cost is multiplied by.")

    @strawberry.field(
        description="Only for tenants of this group; null for any. No tenant has a group yet: such a row decides nothing.",
        metadata=needs("group"),
    )
    def group(self) -> str | None:
        return self.group

    @strawberry.field(description="For a million tokens read afresh.", metadata=needs("input_micros"))
    def input(self) -> Money:
        return money(self.input_micros)

    @strawberry.field(
        description="For a million tokens read from the provider's cache.", metadata=needs("cached_input_micros")
    )
    def cached_input(self) -> Money:
        return money(self.cached_input_micros)

    @strawberry.field(
        description="For a million tokens written to the provider's cache.",
        metadata=needs("cache_write_micros", "input_micros"),
    )
    def cache_write(self) -> Money:
        return money(self.input_micros if self.cache_write_micros is None else self.cache_write_micros)

    @strawberry.field(description="For a million tokens written.", metadata=needs("output_micros"))
    def output(self) -> Money:
        return money(self.output_micros)

    @strawberry.field(
        description="For a million tokens of reasoning.", metadata=needs("reasoning_micros", "output_micros")
    )
    def reasoning(self) -> Money:
        return money(self.output_micros if self.reasoning_micros is None else self.reasoning_micros)

    @strawberry.field(description="For each call.", metadata=needs("per_call_micros"))
    def per_call(self) -> Money:
        return money(self.per_call_micros)


@strawberry.input(description="A price list: rows of model, input, output and what else a price has.")
class PriceImportInput:
    format: PriceFormat = strawberry.field(description="How it is written.")
    text: str = strawberry.field(
        description="A list of rows such as `{model: m, input: 0.5, cachedInput: 0.1, output: 2}`, in whole units for a "
        "million tokens; also cacheWrite, reasoning, perCall, ratio, channel, priority, validFrom and validTo."
    )


@strawberry.type(description="What became of a price list: all of it is imported, or nothing.")
class PriceImportPayload(Payload):
    imported: int = strawberry.field(default=0, description="Rows that became new versions.")
    unchanged: int = strawberry.field(default=0, description="Rows that say what holds already.")
