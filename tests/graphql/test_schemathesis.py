"""Schemathesis against the running API: operations made from the published schema, and answers held to it.

Operations over every query and mutation, by a tenant's owner who has a little of everything and by nobody. An answer may
refuse what was asked for; it may not be an internal error, break the schema, or be anything but a GraphQL answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import requests
import schemathesis
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    is_abstract_type,
    is_leaf_type,
    parse,
)
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounds
from hypothesis import strategies as st
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes
from schemathesis.graphql.checks import GraphQLClientError, GraphQLServerError

from app.printer import PRINTED
from app.settings import Limits, Settings
from resolvers.reads import TenantReads
from tests.conftest import opened_site
from tests.graphql.clients import Site
from tests.graphql.studio import populated
from workers.runtime import Runtime

CASES, FEW = 500, 100
UNLIMITED = Limits(
    query_cost_max=10**9, cost_bucket_max=10**9, query_depth_max=100, query_tokens_max=50_000, query_aliases_max=10_000
)
SCHEMA = build_schema(PRINTED.read_text(encoding="utf-8"))
REFUSALS = frozenset(SCHEMA.type_map["ErrorCode"].values)  # type: ignore[attr-defined]
"""What an error that has a path may say: the codes that the schema lists. INTERNAL_ERROR is none of them."""

PYTHON = {"String": str, "ID": str, "DateTime": str, "Decimal": str, "Int": int, "TokenCount": int, "Boolean": bool}
KNOWN_IDS: list[str] = []
"""Ids of the owner's things: made-up ones alone would find nothing."""

_ids = st.integers(0, 10**6).map(lambda n: KNOWN_IDS[n % len(KNOWN_IDS)] if KNOWN_IDS else "none")
schemathesis.graphql.scalar("ID", st.one_of(_ids, _ids, st.text(max_size=30)).map(nodes.String))
schemathesis.graphql.scalar("DateTime", st.datetimes().map(lambda at: nodes.String(at.isoformat() + "Z")))
schemathesis.graphql.scalar("Decimal", st.decimals(allow_nan=False, allow_infinity=False).map(str).map(nodes.String))
schemathesis.graphql.scalar("TokenCount", st.integers(0, 2**53 - 1).map(nodes.Int))
schemathesis.graphql.scalar("JSON", st.integers(-5, 5).map(nodes.Int))


@pytest.fixture(scope="module")
async def site(settings: Settings) -> AsyncIterator[Site]:
    async with opened_site(settings.model_copy(update={"limits": UNLIMITED})) as one:
        yield one


@pytest.fixture(scope="module")
async def owner(site: Site, runtime: Runtime) -> dict[str, str]:
    """The headers of somebody who has one of everything."""
    person = await site.tenant()
    KNOWN_IDS[:] = [id_ for id_ in (await populated(person, runtime)).ids.values() if id_]
    return {"authorization": person.authorization}


class BreaksTheSchema(AssertionError):
    """Data that the schema does not allow."""


def check_value(type_: Any, value: Any, selections: SelectionSetNode | None, where: str) -> None:
    """Raises BreaksTheSchema unless the value is one of the type, as far as can be seen without its `__typename`."""
    if isinstance(type_, GraphQLNonNull):
        if value is None:
            raise BreaksTheSchema(f"{where} is null")
        type_ = type_.of_type
    if value is None:
        return
    if isinstance(type_, GraphQLList):
        for number, one in enumerate(value):
            check_value(type_.of_type, one, selections, f"{where}.{number}")
    elif isinstance(type_, GraphQLEnumType):
        if value not in type_.values:
            raise BreaksTheSchema(f"{where} is {value!r}, which is not in {type_}")
    elif is_leaf_type(type_):
        if type_.name in PYTHON and type(value) is not PYTHON[type_.name]:
            raise BreaksTheSchema(f"{where} is {value!r}, which is no {type_}")
    elif not is_abstract_type(type_):
        assert selections is not None
        check_object(type_, value, selections, where)


def check_object(type_: GraphQLObjectType, value: dict[str, Any], selections: SelectionSetNode, where: str) -> None:
    for field in selections.selections:
        if isinstance(field, FieldNode) and field.name.value != "__typename":
            key = field.alias.value if field.alias else field.name.value
            if key not in value:
                raise BreaksTheSchema(f"{where}.{key} is missing")
            check_value(type_.fields[field.name.value].type, value[key], field.selection_set, f"{where}.{key}")


def check_answer(text: str, data: Any) -> None:
    """Raises BreaksTheSchema. Null in the whole is what errors without data leave."""
    if data is None:
        return
    for definition in parse(text).definitions:
        assert not isinstance(definition, FragmentDefinitionNode)
        if isinstance(definition, OperationDefinitionNode):
            root = SCHEMA.get_root_type(definition.operation)
            assert root is not None
            check_object(root, data, definition.selection_set, "data")


def refused(failure: BaseException) -> bool:
    """Whether the API did no more than say no, with codes that the schema lists."""
    if isinstance(failure, GraphQLClientError):
        return True
    return isinstance(failure, GraphQLServerError) and all(
        error["extensions"]["code"] in REFUSALS for error in failure.errors
    )


def judge(case: schemathesis.Case[Any], response: Any) -> str:
    """What became of a case: `answered` or `refused`. Raises what schemathesis has to say of anything else."""
    try:
        case.validate_response(response)
        told = "answered"
    except FailureGroup as group:
        if not all(refused(failure) for failure in group.exceptions):
            raise
        told = "refused"
    assert isinstance(case.body, str)
    check_answer(case.body, response.json().get("data"))
    return told


def attack(
    site: Site, cases: int, headers: dict[str, str], alter: Callable[..., None] | None = None, only: str | None = None
) -> Counter[str]:
    """Send that many operations, as many of each root field: {what became of it: how often}.

    `alter` may plant a defect into a response; `only` names one root field, such as `Query.me`.
    """
    operations = []
    for found in schemathesis.graphql.from_path(PRINTED).get_all_operations():
        assert isinstance(found, Ok), found
        if only in {None, found.ok().label}:
            operations.append(found.ok())
    told: Counter[str] = Counter()
    with requests.Session() as session:
        session.trust_env = False
        if alter is not None:
            session.hooks["response"].append(alter)
        for number, operation in enumerate(operations):
            share = max(1, cases * (number + 1) // len(operations) - cases * number // len(operations))

            @seed(number)
            @bounds(max_examples=share, phases=[Phase.generate], database=None, deadline=None,
                    suppress_health_check=list(HealthCheck))  # fmt: skip
            @given(case=operation.as_strategy())
            def once(case: schemathesis.Case[Any]) -> None:
                response = case.call(base_url=f"{site.url}/graphql", session=session, headers=dict(headers), timeout=30)
                told[judge(case, response)] += 1

            once()
    return told


async def test_what_the_schema_allows_is_answered_or_refused_and_nothing_breaks(
    site: Site, owner: dict[str, str]
) -> None:
    told = await asyncio.to_thread(attack, site, CASES, owner)
    assert told.total() >= CASES
    assert told["answered"] > CASES / 2


async def test_nobody_is_refused_in_good_order(site: Site) -> None:
    told = await asyncio.to_thread(attack, site, FEW, {})
    assert told.total() >= FEW
    assert told["refused"] > FEW / 2


# -- planted: each defect is found -----------------------------------------------------------------------------------


async def test_planted_an_internal_error_is_found(
    site: Site, owner: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("planted")

    monkeypatch.setattr(TenantReads, "one", broken)
    with pytest.raises(FailureGroup, match="Internal error"):
        await asyncio.to_thread(attack, site, FEW, owner)


@pytest.mark.parametrize(
    ("root", "sent", "instead", "found"),
    [
        ("Query.me", b'"role":"OWNER"', b'"role":"EMPEROR"', "EMPEROR"),
        ("Query.me", b'"role":"OWNER"', b'"role":null', "is null"),
        ("Query.queues", b'"paused":false', b'"paused":0', "which is no Boolean"),
    ],
)
async def test_planted_an_answer_that_breaks_the_schema_is_found(
    site: Site, owner: dict[str, str], root: str, sent: bytes, instead: bytes, found: str
) -> None:
    def plant(response: requests.Response, **_: Any) -> None:
        response._content = response.content.replace(sent, instead)

    with pytest.raises(BreaksTheSchema, match=found):
        await asyncio.to_thread(attack, site, FEW, owner, plant, root)


async def test_planted_an_answer_that_is_no_json_is_found(site: Site) -> None:
    def plant(response: requests.Response, **_: Any) -> None:
        response._content = b"<html>"

    with pytest.raises(FailureGroup):
        await asyncio.to_thread(attack, site, FEW, {}, plant)
