"""Fields that are resolved for many parents at once, and what a selection needs of its rows.

    @batched(description="Its chapters in reading order.", columns=("id",))
    async def chapters(parents: list[Any], info: Info, first: First = 20, after: After = None) -> list[Connection[Chapter]]

One call answers every parent of a level: a list of as many values, each of which may be an exception. An executor
that knows nothing of batches calls the field for each parent, and the calls of a level are put together again.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any, TypeVar, cast, get_args
from uuid import UUID

import strawberry
from graphql import FieldNode, FragmentSpreadNode, SelectionSetNode

from persistence.listing import Listing
from persistence.paging import PAGE_DEFAULT, PAGE_MAX
from schema.context import Info

First = Annotated[int, strawberry.argument(description=f"How many, 1 to {PAGE_MAX} ({PAGE_DEFAULT} by default).")]
After = Annotated[
    str | None, strawberry.argument(description="The cursor to continue after, from this list's edges or pageInfo.")
]

Aliases = Annotated[
    list[str] | None, strawberry.argument(description="Only those with one of these aliases; all of them if null.")
]

PAGED, REFERENCE, GLOBAL_ID = "paged", "reference", "globalId"
"""Keys of a field's metadata: how its value can be had from PostgreSQL as text. See `app.graphql.sqlplan`."""
COLUMNS = "columns"
"""Key of a field's metadata: the columns of its row that its resolver reads. Without it, it may read any."""


def needs(*columns: str) -> dict[str, tuple[str, ...]]:
    """Metadata of a field whose resolver reads these columns of its row and no others."""
    return {COLUMNS: columns}


def id_of(type_name: str, column: str) -> dict[str, Any]:
    """Metadata of a field that shows a column as the global id of a thing of that type."""
    return {**needs(column), GLOBAL_ID: (column, type_name)}


def ids_of(parents: list[Any]) -> list[UUID]:
    return [parent.id for parent in parents]


def _batched_field(
    function: Callable[..., Any], description: str, metadata: dict[str, Any], directives: Sequence[object]
) -> Any:
    signature = inspect.signature(function)
    _parents, info, *arguments = signature.parameters.values()
    (each,) = get_args(signature.return_annotation)

    async def resolver(self: Any, info: Info, **given: Any) -> Any:
        return await info.context.reads.batched(function, self, info, given)

    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    resolver.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[itself, info, *arguments], return_annotation=each
    )
    resolver.__annotations__ = {**{one.name: one.annotation for one in (info, *arguments)}, "return": each}
    resolver.__name__, resolver.__module__ = function.__name__, function.__module__
    resolver.__qualname__ = function.__qualname__
    resolver.batch = function  # type: ignore[attr-defined]
    return strawberry.field(description=description, metadata=metadata, directives=directives)(resolver)


@dataclass(frozen=True, slots=True)
class Call:
    """Which listing a field shows, narrowed by which filters; a filter of None is none."""

    listing: Listing
    filters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paged:
    """A connection to things of a type: what is called with the field's own arguments, and the parent's column."""

    call: Callable[..., Call]
    type_name: str
    parent: str | None


FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def of_type(specialise: Callable[[str], Callable[[Any], Any]]) -> Callable[[FunctionT], FunctionT]:
    """Say how a resolver that looks at its type's name alone would read for one type: a function of the source."""

    def decorate(resolver: FunctionT) -> FunctionT:
        resolver.for_type = specialise  # type: ignore[attr-defined]
        return resolver

    return decorate


def batched(
    *, description: str, columns: tuple[str, ...], directives: Sequence[object] = ()
) -> Callable[[Callable[..., Any]], Any]:
    """A Strawberry field of a function over parents; see the module."""

    def decorate(function: Callable[..., Any]) -> Any:
        return _batched_field(function, description, needs(*columns), directives)

    return decorate


def paged(
    connection: Any, type_name: str, *, description: str, directives: Sequence[object] = ()
) -> Callable[[Callable[..., Call]], Any]:
    """A batched connection under a parent: the function says which listing, from the field's own arguments."""

    def decorate(function: Callable[..., Call]) -> Any:
        async def pages(
            parents: list[Any], info: Info, first: First = PAGE_DEFAULT, after: After = None, **given: Any
        ) -> list[Any]:
            call, columns = function(**given), columns_of(info, type_name, "edges", "node")
            return await info.context.reads.pages(call.listing, ids_of(parents), first, after, columns, **call.filters)

        parents, info, first, after, _ = inspect.signature(pages).parameters.values()
        own = inspect.signature(function).parameters.values()
        pages.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [parents, info, first, after, *own], return_annotation=list[connection]
        )
        pages.__name__, pages.__module__ = function.__name__, function.__module__
        pages.__qualname__ = function.__qualname__
        metadata = {**needs("id"), PAGED: Paged(function, type_name, "id")}
        return _batched_field(pages, description, metadata, directives)

    return decorate


def found(
    kind: str,
    key: Callable[[Any], UUID | None],
    *,
    description: str,
    metadata: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Any:
    """A field that shows the one thing of a kind that its source leads to; null where the key is."""

    async def resolver(self: Any, info: Info) -> Any:
        value = key(self)
        return await info.context.reads.one(kind, value) if value is not None else None

    async def batch(parents: list[Any], info: Info) -> list[Any]:
        keys = [key(parent) for parent in parents]
        return await info.context.reads.many(kind, keys)

    resolver.batch = batch  # type: ignore[attr-defined]
    return strawberry.field(resolver=resolver, name=name, description=description, metadata=metadata)


def reference(type_name: str, column: str, *, description: str, name: str | None = None) -> Any:
    """A field that shows the thing whose id is in a column of its row; null where the column is."""
    metadata = {**needs(column), REFERENCE: (type_name, column)}
    return found(type_name, attrgetter(column), description=description, metadata=metadata, name=name)


# -- look-ahead ------------------------------------------------------------------------------------------------------

_KEPT_MAX = 4_000
_kept: dict[Any, tuple[Any, frozenset[str] | None]] = {}


def columns_of(info: Info, type_name: str, *way: str) -> frozenset[str] | None:
    """The columns of a type's rows that are asked for behind this field and a way of fields below it.

    None when a field is asked for that may read any column. What conditions leave out, or fragments on other types
    ask for, is counted in: more columns than needed do no harm. Remembered for each place of a document.
    """
    nodes = info._raw_info.field_nodes
    key = (type_name, way, *(id(node) for node in nodes))
    known = _kept.get(key)
    if known is None:
        if len(_kept) >= _KEPT_MAX:
            _kept.clear()
        asked = {node.name.value for node in _below(nodes, way, info._raw_info.fragments)}
        known = _kept[key] = (nodes, _columns(type_name, asked, info))
    return known[1]


def _columns(type_name: str, asked: set[str], info: Info) -> frozenset[str] | None:
    definition, name_of = cast("Any", info.schema.get_type_by_name(type_name)), info.schema.config.name_converter
    fields = {name_of.get_graphql_name(field): field for field in definition.fields}
    found: set[str] = set()
    for name in asked & fields.keys():
        field = fields[name]
        if field.is_basic_field:
            found.add(field.python_name)
        elif COLUMNS in field.metadata:
            found.update(field.metadata[COLUMNS])
        else:
            return None
    return frozenset(found)


def _below(nodes: list[FieldNode], way: tuple[str, ...], fragments: dict[str, Any]) -> list[FieldNode]:
    for name in way:
        nodes = [node for one in nodes for node in _fields(one.selection_set, fragments) if node.name.value == name]
    return [node for one in nodes for node in _fields(one.selection_set, fragments)]


def _fields(selections: SelectionSetNode | None, fragments: dict[str, Any]) -> Iterator[FieldNode]:
    for node in selections.selections if selections is not None else ():
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, FragmentSpreadNode):
            yield from _fields(fragments[node.name.value].selection_set, fragments)
        else:
            yield from _fields(node.selection_set, fragments)  # type: ignore[attr-defined]
