"""What fields cost, said in the schema: `@cost` and `@listSize`, after the GraphQL cost directives specification."""

import strawberry
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.OBJECT, Location.FIELD_DEFINITION],
    name="cost",
    description=(
        "What a field, or a field of this type, adds to the cost of an operation. Otherwise an object costs 1, a "
        "mutation 5 and a scalar nothing. What lies in a list counts once for each entry that `first` asks for."
    ),
)
class Cost:
    weight: int = strawberry.directive_field(name="weight")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="How many entries a list is taken to have; with `first`, how many it can have at most.",
)
class ListSize:
    assumed_size: int = strawberry.directive_field(name="assumedSize")


_ARGUMENTS = {("cost", "weight"): "How much.", ("listSize", "assumedSize"): "How many."}


def with_described_directives(schema: strawberry.Schema) -> strawberry.Schema:
    """The same schema; Strawberry itself has no place for what an argument of a directive means."""
    for (directive, argument), description in _ARGUMENTS.items():
        described = schema._schema.get_directive(directive)
        assert described is not None, directive
        described.args[argument].description = description
    return schema
