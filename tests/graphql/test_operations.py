"""The audit log as administrators read it, and notifications as everybody does, schedules as operators do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.accounts import Permission, Role
from domain.operations.audit import Subject, record
from domain.operations.notifications import NotificationKind, notify
from persistence.database import Database, create_engine
from persistence.operations.schedules import Schedules
from tests.graphql.client_apps import new_app
from tests.graphql.clients import Person, Site

AUDIT = """query ($first: Int = 20, $after: String, $action: String, $subject: ID) {
    auditEntries(first: $first, after: $after, action: $action, subjectId: $subject) {
        edges { node { action actorKind subjectType subjectId details requestId user { id } apiToken { name } } }
        pageInfo { hasNextPage endCursor } } }"""


async def entries(person: Person, **variables: object) -> list[dict[str, object]]:
    return [edge["node"] for edge in (await person(AUDIT, **variables))["edges"]]


async def test_what_was_changed_is_in_the_log_with_who_did_it(site: Site) -> None:
    owner = await site.tenant()
    app = await new_app(owner, name="Reader", mode="LOG")
    await owner.mutate("clientAppUpdate", id=app.id, name="Writer", costBudget=7)
    await app.register("{ __typename }")
    [document] = await app.documents()
    await owner.mutate("trustedDocumentRetire", id=document["id"])
    made = await owner.mutate("apiTokenCreate", "token apiToken { id }", name="ci", scopes=["read", "admin"])
    await owner.with_token(made["token"]).mutate("clientAppDelete", id=app.id)
    await owner.mutate("apiTokenRevoke", id=made["apiToken"]["id"])
    log = await entries(owner)
    assert [(one["action"], one["details"]) for one in reversed(log)] == [
        ("client_app.create", {"name": "Reader", "mode": "LOG"}),
        ("api_token.create", {"scopes": ["read", "write"]}),
        ("client_app.update", {"name": "Writer", "cost_budget": 7}),
        ("trusted_document.register", {"documents": 1}),
        ("trusted_document.retire", {}),
        ("api_token.create", {"scopes": ["admin", "read"]}),
        ("client_app.delete", {}),
        ("api_token.revoke", {}),
    ]
    deleted = log[1]
    me = (await owner("{ me { user { id } } }"))["user"]["id"]
    assert (deleted["actorKind"], deleted["user"], deleted["apiToken"]) == ("TOKEN", {"id": me}, {"name": "ci"})
    assert (deleted["subjectType"], deleted["subjectId"]) == ("ClientApp", app.id)
    assert all(one["requestId"] for one in log)
    assert {one["actorKind"] for one in log if one is not deleted} == {"USER"}


async def test_the_log_is_paged_and_narrowed(site: Site) -> None:
    owner = await site.tenant()
    apps = [await owner.mutate("clientAppCreate", "clientApp { id }", name=f"App {n}") for n in range(3)]
    ids = [one["clientApp"]["id"] for one in apps]
    await owner.mutate("clientAppUpdate", id=ids[0], name="First")
    assert [one["action"] for one in await entries(owner, subject=ids[0])] == ["client_app.update", "client_app.create"]
    assert [one["subjectId"] for one in await entries(owner, action="client_app.create")] == ids[::-1]
    page = await owner(AUDIT, first=3)
    assert page["pageInfo"]["hasNextPage"]
    rest = await entries(owner, after=page["pageInfo"]["endCursor"])
    assert [one["subjectId"] for one in rest] == [ids[0]]


async def test_a_refused_change_leaves_no_entry(site: Site) -> None:
    owner = await site.tenant()
    assert await owner.refusal("clientAppCreate", name="") == ("EMPTY", ["input", "name"])
    assert await entries(owner) == []


async def test_only_administrators_read_the_log(alice: Person) -> None:
    editor = await alice.site.member(alice, Role.EDITOR)
    assert await editor.code(AUDIT) == "FORBIDDEN"


async def test_an_entry_falls_with_the_transaction_it_tells_of(site: Site) -> None:
    owner = await site.tenant()
    with pytest.raises(ZeroDivisionError):
        async with site.api.services.units(owner.tenant_id) as uow:
            await record(uow, None, "client_app.update", Subject("Tenant", owner.tenant_id))
            raise ZeroDivisionError
    assert await entries(owner) == []


async def test_an_entry_can_be_neither_changed_nor_deleted(site: Site, admin: Database, database: Database) -> None:
    owner = await site.tenant()
    await new_app(owner)
    for statement in ("update app.audit_entries set action = 'x'", "delete from app.audit_entries"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with admin.engine.begin() as connection:
                await connection.execute(text(statement))
        with pytest.raises(DBAPIError, match="permission denied"):
            await database.rows(owner.tenant_id, text(statement))


# -- notifications ---------------------------------------------------------------------------------------------------

NOTIFICATIONS = """query ($unread: Boolean = false) { notifications(unreadOnly: $unread) {
    edges { node { id kind params { name value } readAt } } } }"""


async def notices(person: Person, *, unread: bool = False) -> list[dict[str, object]]:
    return [edge["node"] for edge in (await person(NOTIFICATIONS, unread=unread))["edges"]]


async def test_members_with_a_right_are_told_and_read_for_themselves(site: Site) -> None:
    owner = await site.tenant()
    colleague, viewer = await site.member(owner, Role.ADMIN), await site.member(owner, Role.VIEWER)
    async with site.api.services.units(owner.tenant_id) as uow:
        for host in ("one.example", "two.example"):
            await notify(uow, Permission.ADMIN, NotificationKind.WEBHOOK_DISABLED, {"host": host})
    assert await notices(viewer) == []
    two, one = await notices(owner)
    assert (two["kind"], two["params"], two["readAt"]) == (
        "WEBHOOK_DISABLED", [{"name": "host", "value": "two.example"}], None,
    )  # fmt: skip
    assert await owner.mutate("notificationRead", "unreadCount", ids=[two["id"]]) == {
        "unreadCount": 1, "userErrors": [],
    }  # fmt: skip
    assert [each["id"] for each in await notices(owner, unread=True)] == [one["id"]]
    assert len(await notices(colleague, unread=True)) == 2
    theirs = [each["id"] for each in await notices(colleague)]
    assert (await viewer.mutate("notificationRead", "unreadCount", ids=theirs))["unreadCount"] == 0
    assert len(await notices(colleague, unread=True)) == 2


# -- schedules -------------------------------------------------------------------------------------------------------


async def test_what_runs_by_the_clock_is_for_the_platform(site: Site) -> None:
    engine = create_engine(site.settings.database_relay_url.get_secret_value(), pool_size=0)
    await Schedules(engine).announce({"mails.forget": ("18 * * * *", datetime(2999, 1, 1, 0, 18, tzinfo=UTC))})
    query = "{ schedules { name cron nextRunAt lastRunAt lastError enabled } }"
    operator = await site.tenant(platform_admin=True)
    assert await operator(query) == [
        {"name": "mails.forget", "cron": "18 * * * *", "nextRunAt": "2999-01-01T00:18:00.000Z", "lastRunAt": None,
         "lastError": None, "enabled": True},
    ]  # fmt: skip
    assert await (await site.tenant()).code(query) == "FORBIDDEN"
