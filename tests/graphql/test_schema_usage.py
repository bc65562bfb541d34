"""What clients use of the schema is counted, by field, by document and by application, and told to administrators."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import text as sql

from domain.accounts import Role
from persistence.database import Database
from tests.graphql.client_apps import SHELF, id_of, new_app
from tests.graphql.clients import Person, Site

USAGE = """
query Usage($app: ID, $from: DateTime, $to: DateTime, $field: String) {
  schemaUsage(clientAppId: $app, from: $from, to: $to, field: $field) {
    fields { coordinate uses lastUsedAt deprecationReason }
    documents { hash name uses clientApp { id } }
    freeText { name uses clientApp { id } }
  }
}"""


async def test_what_is_used_is_counted_and_named(site: Site) -> None:
    owner = await site.tenant()
    one = await new_app(owner, mode="LOG")
    await one.register(SHELF)
    for _ in range(3):
        await one.send({"documentId": id_of(SHELF)})
    await one.send({"query": "query Loose { me { role } }"})
    await site.api.uses.flush()
    await one.send({"documentId": id_of(SHELF)})
    await site.api.uses.flush()
    usage = await owner(USAGE, app=one.id)
    assert usage["documents"] == [{"hash": id_of(SHELF), "name": "Shelf", "uses": 4, "clientApp": {"id": one.id}}]
    assert usage["freeText"] == [{"name": "Loose", "uses": 1, "clientApp": {"id": one.id}}]
    assert {field["coordinate"]: field["uses"] for field in usage["fields"]} == {
        "Project.title": 4, "ProjectConnection.edges": 4, "ProjectEdge.node": 4, "Query.projects": 4,
        "Query.me": 1, "Viewer.role": 1,
    }  # fmt: skip
    assert all(field["lastUsedAt"] and field["deprecationReason"] is None for field in usage["fields"])
    [document] = await one.documents()
    assert document["useCount"] == 4
    assert document["firstUsedAt"] < document["lastUsedAt"]


async def test_who_uses_a_field_can_be_asked(site: Site) -> None:
    owner = await site.tenant()
    one = await new_app(owner)
    other = "query Ids { projects { edges { node { id } } } }"
    await one.register(SHELF, other)
    for text in (SHELF, other):
        await one.send({"documentId": id_of(text)})
    await site.api.uses.flush()
    usage = await owner(USAGE, field="Project.title")
    assert [one["name"] for one in usage["documents"]] == ["Shelf"]
    assert [one["coordinate"] for one in usage["fields"]] == ["Project.title"]
    assert (await owner(USAGE, field="Project.genre"))["documents"] == []


async def test_a_deprecated_field_in_use_says_what_to_use_instead(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await site.tenant()
    await owner("query Old { projects { edges { node { genre } } } }")
    await site.api.uses.flush()
    genre = site.api.schema.type_map["Project"].fields["genre"]  # type: ignore[attr-defined]
    monkeypatch.setattr(genre, "deprecation_reason", "Use `tags`.")
    [field] = (await owner(USAGE, field="Project.genre"))["fields"]
    assert (field["coordinate"], field["uses"], field["deprecationReason"]) == ("Project.genre", 1, "Use `tags`.")


async def test_uses_are_kept_by_the_day(site: Site, admin: Database) -> None:
    owner = await site.tenant()
    one = await new_app(owner)
    await one.register(SHELF)
    await one.send({"documentId": id_of(SHELF)})
    await site.api.uses.flush()
    async with admin.engine.begin() as connection:
        await connection.execute(
            sql("update app.schema_uses set day = '2026-01-31' where tenant_id = :t"), {"t": owner.tenant_id}
        )
    for since, until, seen in (
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z", True),
        ("2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", True),
        ("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", False),
        ("2026-01-01T00:00:00Z", "2026-01-30T23:59:59Z", False),
    ):
        usage = await owner(USAGE, **{"from": since, "to": until})
        assert bool(usage["documents"]) is seen, (since, until)
    assert await owner.code(USAGE, **{"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}) == "BAD_USER_INPUT"


async def test_our_own_clients_are_in_the_report_without_an_application(site: Site) -> None:
    owner = await site.tenant()
    await owner("query Mine { projects { pageInfo { hasNextPage } } }")
    await site.api.uses.flush()
    [free] = (await owner(USAGE))["freeText"]
    assert free == {"name": "Mine", "uses": 1, "clientApp": None}


async def test_text_of_an_application_that_should_know_better_is_marked_in_the_log(
    alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    one = await new_app(alice, mode="PREFER")
    await one.register(SHELF)
    with caplog.at_level(logging.INFO, "fabula.documents"):
        await one.send({"documentId": id_of(SHELF)})
        assert not [record for record in caplog.records if record.name == "fabula.documents"]
        await one.send({"query": "query Loose { __typename }"})
    [record] = [record for record in caplog.records if record.name == "fabula.documents"]
    assert "sent Loose as text" in record.getMessage()


async def test_only_administrators_see_what_is_used(site: Site, alice: Person) -> None:
    author = await site.member(alice, Role.AUTHOR)
    assert await author.code(USAGE) == "FORBIDDEN"
    assert await author.code("{ clientApps { edges { cursor } } }") == "FORBIDDEN"
