"""Counting what is used: bounded in memory, written in batches, and never in anybody's way."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

import pytest
from graphql import build_schema

from app.graphql import usage
from app.graphql.documents import Documents, Prepared
from app.graphql.request import GraphQLRequest
from app.graphql.usage import UseCounter
from app.settings import Limits
from domain.ids import ClientAppId, TenantId, new_id
from domain.integrations import UseKind
from persistence.integrations.usage import Use

SCHEMA = build_schema("type Query { a: Query b: Int } type Mutation { c: Int }")
TENANT, APP = TenantId(new_id()), ClientAppId(new_id())


class Written:
    """What the counter wrote, a batch an entry."""

    def __init__(self) -> None:
        self.batches: list[dict[Use, int]] = []
        self.fails = False

    async def __call__(self, tenant_id: TenantId, uses: Mapping[Use, int], at: datetime) -> None:
        assert tenant_id == TENANT
        if self.fails:
            raise OSError("no route")
        self.batches.append(dict(uses))


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def counter(written: Written) -> UseCounter:
    return UseCounter(SCHEMA, written)


DOCUMENTS = Documents(SCHEMA, Limits())


def prepared(text: str, hash_: str | None = None) -> Prepared:
    if hash_ is not None:
        return DOCUMENTS.prepare_trusted(GraphQLRequest(""), hash_, text, valid=True)
    return DOCUMENTS.prepare(GraphQLRequest(text))


async def test_a_document_is_counted_by_its_hash_and_text_by_its_name_and_fields(
    counter: UseCounter, written: Written
) -> None:
    for _ in range(3):
        counter.note(TENANT, APP, prepared("query One { b }", "1" * 64))
    for _ in range(2):
        counter.note(TENANT, APP, prepared("query Two { a { ...F } __typename } fragment F on Query { b x: b }"))
    await counter.flush()
    await counter.flush()
    assert written.batches == [
        {
            Use(APP, UseKind.DOCUMENT, "1" * 64): 3,
            Use(APP, UseKind.FREE_TEXT, "Two"): 2,
            Use(APP, UseKind.FIELD, "Query.a"): 2,
            Use(APP, UseKind.FIELD, "Query.b"): 2,
        }
    ]


@pytest.mark.parametrize("excess", [0, 1])
async def test_so_many_documents_are_remembered_between_two_writes(
    counter: UseCounter, written: Written, monkeypatch: pytest.MonkeyPatch, excess: int
) -> None:
    monkeypatch.setattr(usage, "PENDING_MAX", 3)
    for number in range(3 + excess):
        counter.note(TENANT, APP, prepared(f"query Q{number} {{ b }}"))
    counter.note(TENANT, APP, prepared("query Q0 { b }"))
    await counter.flush()
    [uses] = written.batches
    assert {use.name: count for use, count in uses.items()} == {"Q0": 2, "Q1": 1, "Q2": 1, "Query.b": 4}


async def test_a_flood_of_names_is_counted_without_them(
    counter: UseCounter, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "NAMES_MAX", 2)
    for name in ("A", "B", "C", "D", "A"):
        counter.note(TENANT, APP, prepared(f"query {name} {{ b }}"))
    await counter.flush()
    [uses] = written.batches
    assert {use.name: count for use, count in uses.items()} == {"A": 2, "B": 1, "": 2, "Query.b": 5}


async def test_counts_that_cannot_be_written_are_let_go_with_a_word(
    counter: UseCounter, written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.fails = True
    counter.note(TENANT, APP, prepared("query One { b }", "1" * 64))
    with caplog.at_level(logging.WARNING):
        await counter.flush()
    assert "1 uses of the schema were not written" in caplog.text
    written.fails = False
    counter.note(TENANT, APP, prepared("query One { b }", "1" * 64))
    await counter.flush()
    assert [sum(one.values()) for one in written.batches] == [1]


async def test_what_is_left_is_written_at_the_end(counter: UseCounter, written: Written) -> None:
    counter.start()
    counter.note(TENANT, APP, prepared("query One { b }", "1" * 64))
    await counter.stop()
    assert [sum(one.values()) for one in written.batches] == [1]
