"""Nothing of one tenant is shown to, or changed by, another: walked over every field that the schema has."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from graphql import build_schema as schema_of

from app.auth import Authenticator
from app.graphql import documents
from app.settings import Limits, Settings
from domain.accounts import Actor, Role
from persistence.database import Database
from resolvers.root import UNUSUAL, build_schema, needed
from tests.conftest import opened_site
from tests.graphql.clients import Person, Site
from tests.graphql.studio import MARKER, Studio, populated, rows_of
from tests.graphql.test_knowledge import new_base, take_in
from tests.graphql.walker import IdOf, Operation, Unknown, Walker
from workers.runtime import Runtime

WALKER = Walker(build_schema()._schema)
FIELDS = list(WALKER.fields())
MUTATIONS = [name for kind, name in FIELDS if kind == "mutation"]
OPEN_TO_ALL = {"register", "login", "refresh", "logout", "sharedConversation"}
"""The only fields for somebody without credentials."""


@pytest.fixture(scope="module")
async def site(settings: Settings) -> AsyncIterator[Site]:
    """With limits that let a walk ask for everything at once."""
    size = {"query_tokens_max": 50_000, "query_depth_max": 100, "query_aliases_max": 10_000}
    limits = Limits(**size, query_cost_max=10**12, cost_bucket_max=10**12, cost_restored_per_s=1e12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "CACHED_CHARS_MAX", 100_000)  # large documents are validated once here, too
        async with opened_site(settings.model_copy(update={"limits": limits})) as one:
            await one.api.uses.stop()  # counts are written when a studio is made, and not while rows are compared
            yield one


@pytest.fixture(scope="module")
async def studio(alice: Person, runtime: Runtime) -> Studio:
    return await populated(alice, runtime)


ENDLESS = {"channelHealth", "usageMeter", "conversationEvents", "documentProgress"}
ENDLESS = {"channelHealth", "usageMeter", "documentProgress", "conversationEvents"}
ENDLESS_S = 1.0
"""Streams without an end are watched for so long."""


async def answer_to(person: Person, operation: Operation) -> str:
    """The answer, or the whole stream, as text."""
    if operation.kind != "subscription":
        return json.dumps(await person.ask(operation.query, **operation.variables), ensure_ascii=False)
    headers = {"authorization": person.authorization} if person.access_token else {}
    found = []
    async with person.site.sse(operation.query, operation.variables, **headers) as events:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDLESS_S if operation.field in ENDLESS else None):
                async for event in events:
                    found.append(event)  # noqa: PERF401 - a comprehension would lose them
    return json.dumps(found, ensure_ascii=False)


def always(id_: str) -> IdOf:
    return lambda _path, _of: id_


def with_strangers_ids(kind: str, name: str, ids: dict[str, str]) -> Iterator[Operation]:
    """A field asked about everything of a tenant: rightly, and with each id wherever one fits."""
    yield WALKER.rightly(kind, name, ids)
    if WALKER.takes_ids(kind, name):
        for one in ids.values():
            yield WALKER.operation(kind, name, always(one))


SHARED = ("Price", "Plan")
"""Things of the platform that everybody may see."""


async def trespasses(thief: Person, studio: Studio, admin: Database, kind: str, name: str) -> list[str]:
    """What a stranger could see or change through one field."""
    found = []
    before = await rows_of(admin, studio.person.tenant_id)
    for operation in with_strangers_ids(kind, name, studio.ids):
        answer = await answer_to(thief, operation)
        shared = {studio.ids[one] for one in SHARED} | {*([studio.ids["User"]] if name == "login" else [])}
        shown = [one for one in ({MARKER, *studio.ids.values()} - shared) if one in answer]
        if shown:
            found.append(f"{operation} shows {shown}: {answer[:500]}")
    if await rows_of(admin, studio.person.tenant_id) != before:
        found.append(f"{kind} {name} changes rows")
    return found


@pytest.mark.parametrize(("kind", "name"), FIELDS)
async def test_a_stranger_sees_and_changes_nothing_through(
    bob: Person, studio: Studio, admin: Database, kind: str, name: str
) -> None:
    assert await trespasses(bob, studio, admin, kind, name) == []


SHOWS = {
    "conversation", "conversations", "conversationGroups", "conversationEvents", "conversationExport",
    "conversationShares", "messageSearch", "node", "nodes", "me", "apiTokens", "clientApps", "schemaUsage", "projects", "search", "jobs",
    "generationEvents", "jobEvents", "channels", "channelHealth", "usageRecords", "usageExport", "budgets",
    "invoices", "billingDetails", "auditEntries", "notifications", "webhookEndpoints", "paymentMethods", "files",
    "assistants", "assistantPublishPreview", "knowledgeBases", "documentProgress", "knowledgeSearch",
}  # fmt: skip
FOR_THE_PLATFORM = {"workers", "schedules", "operationExplain", "coupons"}


@pytest.mark.parametrize(("kind", "name"), [one for one in FIELDS if one[0] != "mutation"])
async def test_its_owner_is_shown_through(studio: Studio, kind: str, name: str) -> None:
    """The walk would notice nothing if it asked for nothing."""
    operation = WALKER.rightly(kind, name, studio.ids)
    if name in FOR_THE_PLATFORM:
        return
    answer = await answer_to(studio.person, operation)
    assert '"errors"' not in answer, answer[:2_000]
    found = MARKER in answer or studio.ids["User"] in answer
    assert found is (name in SHOWS), answer[:500]


@pytest.mark.parametrize(("kind", "name"), FIELDS)
async def test_nobody_without_credentials_gets_through(
    alice: Person, studio: Studio, admin: Database, kind: str, name: str
) -> None:
    operation = WALKER.rightly(kind, name, studio.ids)
    if kind == "subscription":
        nobody = replace(alice, access_token="")
        answer = json.loads(await answer_to(nobody, operation))
        errors = answer[0][1]["errors"]
    else:
        answer = (await alice.site.post(operation.query, operation.variables)).json()
        errors = answer.get("errors", [])
    codes = {error["extensions"]["code"] for error in errors}
    assert codes == (set() if name in OPEN_TO_ALL else {"UNAUTHENTICATED"}), answer


async def test_a_colleague_gets_at_nothing_of_anothers_own_base(site: Site, admin: Database) -> None:
    """Not by its documents' jobs either: one of them waits, one was stopped and could be tried again.

    Who keeps the audit log sees that a base was made, and not what it is called.
    """
    owner = await site.tenant()
    colleague = await site.member(owner, Role.ADMIN)
    base = await new_base(owner, name=MARKER, scope="USER")
    waiting, stopped = [
        (await take_in(owner, base, f"{MARKER} {n}", title=f"{MARKER} {n}"))["document"] for n in range(2)
    ]
    await owner.mutate("jobCancel", id=stopped["job"]["id"])
    ids = [base, waiting["id"], waiting["job"]["id"], stopped["job"]["id"]]
    jobs = WALKER.rightly("query", "jobs", {})
    assert waiting["job"]["id"] in await answer_to(owner, jobs)
    before = await rows_of(admin, owner.tenant_id)
    asked = [WALKER.operation(*field, always(one)) for field in FIELDS if WALKER.takes_ids(*field) for one in ids]
    for operation in (jobs, *asked):
        answer = await answer_to(colleague, operation)
        secret = [MARKER] if operation.field == "auditEntries" else [MARKER, *ids]
        assert not [one for one in secret if one in answer], (operation, answer[:500])
    assert await rows_of(admin, owner.tenant_id) == before


RIGHTS = {
    "VIEWER": {"read"},
    "BILLING": {"read", "billing"},
    "AUTHOR": {"read", "write", "generate"},
    "EDITOR": {"read", "write", "generate"},
    "ADMIN": {"read", "write", "generate", "admin"},
    "OWNER": {"read", "write", "generate", "admin", "billing"},
}
NEEDS = {
    "apiTokenCreate": "admin",
    "apiTokenRevoke": "admin",
    "clientAppCreate": "admin",
    "clientAppUpdate": "admin",
    "clientAppDelete": "admin",
    "trustedDocumentsRegister": "admin",
    "trustedDocumentRetire": "admin",
    "channelCreate": "admin",
    "channelUpdate": "admin",
    "channelDelete": "admin",
    "channelTest": "admin",
    "routingPolicySet": "admin",
    "chapterGenerate": "generate",
    "messageSend": "generate",
    "messageEdit": "generate",
    "messageRegenerate": "generate",
    "generationCancel": "generate",
    "jobRetry": "generate",
    "jobCancel": "generate",
    "notificationRead": "read",
    "webhookEndpointCreate": "admin",
    "webhookEndpointUpdate": "admin",
    "webhookEndpointDelete": "admin",
    "webhookEndpointRotateSecret": "admin",
    "webhookEndpointTest": "admin",
    "webhookRedeliver": "admin",
    "queuePause": "platform",
    "queueResume": "platform",
    "creditTopUp": "billing",
    "budgetSet": "billing",
    "budgetDelete": "billing",
    "walletAlertSet": "billing",
    "billingDetailsSet": "billing",
    "invoicePay": "billing",
    "creditNoteIssue": "platform",
    "paymentMethodRemove": "billing",
    "automaticTopUpSet": "billing",
    "paymentRefund": "platform",
    "statementReconcile": "billing",
    "creditAdjust": "platform",
    "entryReverse": "platform",
    "priceImport": "platform",
    "planCreate": "platform",
    "planVersionCreate": "platform",
    "planArchive": "platform",
    "couponCreate": "platform",
    "couponDisable": "platform",
    "planSubscribe": "billing",
    "subscriptionChange": "billing",
    "subscriptionCancel": "billing",
    "subscriptionResume": "billing",
    "couponRedeem": "billing",
    "assistantReact": "read",
    "assistantRate": "read",
    "assistantInstall": "read",
    "assistantUninstall": "read",
    "assistantReport": "read",
}
"""What a mutation asks for; the others ask for the right to write."""


def test_a_documents_rights_are_those_that_its_fields_ask_for() -> None:
    """What a registry says of a document is what the walks below hold its fields to."""
    for name in MUTATIONS:
        expected = None if name in OPEN_TO_ALL else NEEDS.get(name, "write")
        assert needed(f"Mutation.{name}") == expected, name
    assert needed("Query.projects") == needed("Subscription.jobEvents") == "read"
    assert (needed("Query.me"), needed("Project.title")) == (None, None)
    assert set(UNUSUAL) <= {name for _, name in FIELDS}


async def refusals(person: Person, ids: dict[str, str], name: str) -> set[str]:
    """The codes of the top-level errors of one mutation."""
    operation = WALKER.rightly("mutation", name, ids)
    answer = await person.ask(operation.query, **operation.variables)
    return {error["extensions"]["code"] for error in answer.get("errors", [])}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING, Role.AUTHOR, Role.ADMIN, Role.OWNER])
async def test_a_role_may_do_what_it_grants_and_no_more(
    site: Site, runtime: Runtime, admin: Database, role: Role
) -> None:
    owner = await site.tenant()
    studio = await populated(owner, runtime)
    member = owner if role is Role.OWNER else await site.member(owner, role)
    # What deletes comes last, so that everything is still there for the others.
    for name in sorted(set(MUTATIONS) - OPEN_TO_ALL, key=lambda one: ("Delete" in one, one)):
        before = await rows_of(admin, owner.tenant_id)
        allowed = NEEDS.get(name, "write") in RIGHTS[role]
        assert await refusals(member, studio.ids, name) == (set() if allowed else {"FORBIDDEN"}), name
        changed = await rows_of(admin, owner.tenant_id) != before
        assert changed <= allowed, name


async def test_the_scopes_of_a_token_cut_its_owners_rights(alice: Person, studio: Studio) -> None:
    for scope, name in (("write", "projectUpdate"), ("generate", "jobCancel"), ("admin", "apiTokenRevoke")):
        made = await alice.mutate("apiTokenCreate", "token apiToken { id }", name="x", scopes=["read", scope])
        token, ids = alice.with_token(made["token"]), {**studio.ids, "ApiToken": made["apiToken"]["id"]}
        for other in ("projectUpdate", "jobCancel", "apiTokenRevoke"):
            assert await refusals(token, ids, other) == (set() if other == name else {"FORBIDDEN"}), (scope, other)


async def test_a_token_that_may_not_read_reads_nothing(alice: Person, studio: Studio) -> None:
    made = await alice.mutate("apiTokenCreate", "token", name="x", scopes=["write"])
    writer = alice.with_token(made["token"])
    for kind, name in FIELDS:
        if kind == "mutation" or name in {"me", "sharedConversation"}:
            continue
        answer = await answer_to(writer, WALKER.rightly(kind, name, studio.ids))
        assert '"FORBIDDEN"' in answer and MARKER not in answer, (name, answer[:500])


@pytest.fixture
def wall_with_a_hole(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everybody is let into the studio's tenant."""
    asked = Authenticator._by_access_token

    async def let_in(self: Authenticator, token: str, tenant: str | None) -> Actor:
        return replace(await asked(self, token, tenant), tenant_id=studio.person.tenant_id)

    monkeypatch.setattr(Authenticator, "_by_access_token", let_in)
    studio.person.site.api.authenticator.forget()
    yield
    studio.person.site.api.authenticator.forget()


@pytest.mark.usefixtures("wall_with_a_hole")
@pytest.mark.parametrize(
    ("kind", "name"), [one for one in FIELDS if one[1] in {"node", "projects", "search", "generationEvents"}]
)
async def test_a_hole_in_the_wall_would_be_seen_by_reading(
    bob: Person, studio: Studio, admin: Database, kind: str, name: str
) -> None:
    assert " shows " in (await trespasses(bob, studio, admin, kind, name))[0]


@pytest.mark.usefixtures("wall_with_a_hole")
@pytest.mark.parametrize("name", ["projectUpdate", "chapterTextUpdate", "jobRetry", "codexRelationDelete"])
async def test_a_hole_in_the_wall_would_be_seen_by_writing(
    bob: Person, studio: Studio, admin: Database, name: str
) -> None:
    assert f"mutation {name} changes rows" in await trespasses(bob, studio, admin, "mutation", name)


def test_a_field_with_an_id_or_a_scalar_that_the_walk_does_not_know_stops_it() -> None:
    for argument in ("thingId: ID!", "when: Moment!"):
        schema = schema_of(
            "scalar Moment type Query { a: Int } type Subscription { a: Int } "
            f"type Mutation {{ thingDelete({argument}): Int }}"
        )
        with pytest.raises(Unknown):
            Walker(schema).rightly("mutation", "thingDelete", {})
