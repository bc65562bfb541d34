"""A tenant that has one of everything, so that any field has something to show or to hide."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import text

from domain.ids import CouponId, JobId, PaymentMethodId, PlanId, PlanVersionId, TenantId, new_id
from domain.integrations import SHA256, document_hash
from domain.invoices import InvoiceItem, InvoiceReason, InvoiceTerms, ItemKind
from domain.invoices.service import issue
from domain.operations.notifications import NotificationKind, notify
from domain.payments.entities import GatewayKind, PaymentMethod
from domain.plans.coupons import Coupon, CouponKind
from domain.plans.entities import Feature, Plan, PlanVersion
from persistence.database import Database
from schema.ids import decode_id, encode_id
from tests.documents import GENERATE
from tests.graphql.clients import Person
from tests.graphql.studio_talks import talked
from workers.generation import run_job
from workers.ingestion import run_job as ingest
from workers.runtime import Runtime

MARKER = "quillfeather"


@dataclass(repr=False)
class Studio:
    """MARKER is in every text of the tenant; `ids` has a global id of each type that has one."""

    person: Person
    ids: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def words(self, what: str) -> str:
        return f"{what} {MARKER}"


async def populated(person: Person, runtime: Runtime) -> Studio:
    studio = Studio(person)
    ids, words, mutate = studio.ids, studio.words, person.mutate
    ids["Tenant"], ids["User"] = person.tenant_gid, (await person("{ me { user { id } } }"))["user"]["id"]
    made = await mutate(
        "channelCreate", "channel { id }", name=words("Channel"), provider="DEMO", models=["own-writer"]
    )
    ids["Channel"] = made["channel"]["id"]
    made = await mutate("projectCreate", "project { id }", title=words("Novel"), premise=words("Premise"))
    ids["Project"] = project = made["project"]["id"]
    made = await mutate("outlineNodeCreate", "outlineNode { id }", projectId=project, kind="VOLUME", title=words("V"))
    ids["OutlineNode"] = made["outlineNode"]["id"]
    made = await mutate(
        "chapterCreate", "chapter { id }", projectId=project, title=words("Chapter"), parentId=ids["OutlineNode"]
    )
    ids["Chapter"] = chapter = made["chapter"]["id"]
    made = await mutate("chapterTextUpdate", "version { id }", chapterId=chapter, text=words("Text"))
    ids["CurrentVersion"] = made["version"]["id"]
    ids["CodexEntry"] = one = await _entry(studio, "Mei")
    made = await mutate(
        "codexRelationCreate", "codexRelation { id }", fromId=one, toId=await _entry(studio, "Lan"), kind="sister of",
        note=words("note"),
    )  # fmt: skip
    ids["CodexRelation"] = made["codexRelation"]["id"]
    made = await mutate("apiTokenCreate", "token apiToken { id }", name=words("key"), scopes=["read"])
    ids["ApiToken"], studio.token = made["apiToken"]["id"], made["token"]
    await _client_app(studio)
    await _plans(studio)
    await _operations(studio)
    await _generations(studio, runtime)
    ids |= await talked(person, runtime, MARKER)
    await _knowledge(studio, runtime)
    made = await mutate("budgetSet", "budget { id }", subject="MEMBER", memberId=ids["User"], period="DAY", limit="100")
    ids["Budget"] = made["budget"]["id"]
    await _assistant(studio)
    await _invoice(studio)
    await _payments(studio)
    await _files(studio)
    ids["Price"] = (await person("{ prices { edges { node { id } } } }"))["edges"][-1]["node"]["id"]
    ids["LedgerEntry"] = (await person("{ ledgerEntries { edges { node { id } } } }"))["edges"][-1]["node"]["id"]
    return studio


async def _payments(studio: Studio) -> None:
    """A payment, and a card that is saved."""
    person = studio.person
    made = await person.mutate("creditTopUp", "payment { id }", amount="1.00", idempotencyKey=MARKER)
    studio.ids["Payment"] = made["payment"]["id"]
    method_id = PaymentMethodId(new_id())
    method = PaymentMethod(person.tenant_id, method_id, GatewayKind.SIMULATED, "pm_1", MARKER, "4242", 12, 2034, True)
    async with person.site.api.services.units(person.tenant_id) as uow:
        method.created_at = uow.now
        await uow.payments.save_method(method)
    studio.ids["PaymentMethod"] = encode_id("PaymentMethod", method_id)


async def _files(studio: Studio) -> None:
    """A file, and an upload whose bytes were sent."""
    person, content = studio.person, studio.words("Chapter").encode()
    for kind in ("File", "Upload"):
        made = await person.mutate(
            "uploadCreate", "upload { id url }", fileName=f"{studio.words(kind)}.txt", size=len(content),
            purpose="KNOWLEDGE",
        )  # fmt: skip
        studio.ids["Upload"] = made["upload"]["id"]
        sent = await person.site.http.put(made["upload"]["url"], content=content)
        assert sent.status_code == 204, sent.text
        if kind == "File":
            digest = sha256(content).hexdigest()
            made = await person.mutate("uploadComplete", "file { id }", uploadId=studio.ids["Upload"], sha256=digest)
            studio.ids["File"] = made["file"]["id"]


async def _assistant(studio: Studio) -> None:
    """One that the tenant shares, with a version."""
    mutate, ids, words = studio.person.mutate, studio.ids, studio.words
    made = await mutate("assistantCreate", "assistant { id }", name=words("Plotter"), description=words("Plots"))
    ids["Assistant"] = made["assistant"]["id"]
    made = await mutate(
        "assistantVersionCreate", "version { id }", assistantId=ids["Assistant"], prompt=words("Prompt"),
        openingMessages=[words("Begin")],
    )  # fmt: skip
    ids["AssistantVersion"] = made["version"]["id"]
    await mutate("assistantPublish", assistantId=ids["Assistant"], visibility="TENANT")
    await mutate("assistantReact", assistantId=ids["Assistant"], kind="LIKE")


async def _client_app(studio: Studio) -> None:
    """An application that may send anything, with one document, and with each kind of use counted."""
    person, ids = studio.person, studio.ids
    made = await person.mutate("clientAppCreate", "clientApp { id }", name=studio.words("Reader"), mode="LOG")
    ids["ClientApp"] = made["clientApp"]["id"]
    document = f"query Shelf_{MARKER} {{ projects {{ edges {{ node {{ title }} }} }} }}"
    hash_ = SHA256 + document_hash(document)
    made = await person.mutate(
        "trustedDocumentsRegister", "registered clientApp { documents { edges { node { id } } } }",
        clientAppId=ids["ClientApp"], documents=[{"hash": hash_, "text": document}],
    )  # fmt: skip
    ids["TrustedDocument"] = made["clientApp"]["documents"]["edges"][0]["node"]["id"]
    made = await person.mutate(
        "apiTokenCreate", "token", name=studio.words("app's key"), scopes=["read"], clientAppId=ids["ClientApp"]
    )
    client = person.with_token(made["token"])
    for body in ({"documentId": hash_}, {"query": f"query Free_{MARKER} {{ __typename }}"}):
        response = await person.site.http.post("/graphql", json=body, headers={"authorization": client.authorization})
        assert "errors" not in response.json(), response.text
    await person.site.api.uses.flush()


async def _plans(studio: Studio) -> None:
    """A subscription to the plan that is there from the start, and a redeemed coupon."""
    person, ids = studio.person, studio.ids
    ids["Plan"] = encode_id("Plan", await _plan_of_everything(person))
    made = await person.mutate("planSubscribe", "subscription { id }", planId=ids["Plan"], idempotencyKey="begin")
    ids["PlanSubscription"] = made["subscription"]["id"]
    code = f"SAMPLE-{secrets.token_hex(8).upper()}"
    coupon = Coupon(CouponId(new_id()), code, CouponKind.CREDIT, 1_000_000)
    async with person.site.api.services.units(person.tenant_id) as uow:
        assert await uow.coupons.add(coupon)
    ids["Coupon"] = encode_id("Coupon", coupon.id)
    made = await person.mutate("couponRedeem", "redemption { id }", code=code, idempotencyKey=code)
    ids["CouponRedemption"] = made["redemption"]["id"]


async def _plan_of_everything(person: Person) -> PlanId:
    """Made once: whoever is on it may do what somebody without a plan may."""
    async with person.site.api.services.units(person.tenant_id) as uow:
        for plan, _ in await uow.plans.offered():
            if plan.name == "EVERYTHING":
                return plan.id
        plan = Plan(PlanId(new_id()), "EVERYTHING", "Everything", created_at=uow.now)
        version = PlanVersion(
            PlanVersionId(new_id()), plan.id, 1, "MONTH", 0, features=list(Feature), valid_from=uow.now,
            created_at=uow.now,
        )  # fmt: skip
        assert await uow.plans.add_plan(plan)
        await uow.plans.add_version(version)
    return plan.id


async def _operations(studio: Studio) -> None:
    """A notification, and an endpoint with a delivery."""
    person = studio.person
    async with person.site.api.services.units(person.tenant_id) as uow:
        await notify(uow, person.user_id, NotificationKind.WEBHOOK_DISABLED, {"host": studio.words("")})
    read = await person("{ notifications { edges { node { id } } } }")
    studio.ids["Notification"] = read["edges"][0]["node"]["id"]
    made = await person.mutate(
        "webhookEndpointCreate", "webhookEndpoint { id }", url=f"https://{MARKER}.example/", events=["TEST"]
    )
    studio.ids["WebhookEndpoint"] = endpoint = made["webhookEndpoint"]["id"]
    made = await person.mutate("webhookEndpointTest", "webhookDelivery { id }", id=endpoint)
    studio.ids["WebhookDelivery"] = made["webhookDelivery"]["id"]


async def _invoice(studio: Studio) -> None:
    """One that waits to be paid."""
    person, words = studio.person, studio.words
    await person.mutate("billingDetailsSet", "billingDetails { name }", name=words("Desk"), address=words("Lane"))
    async with person.site.api.services.units(person.tenant_id) as uow:
        await uow.invoices.add_item(InvoiceItem(ItemKind.SUBSCRIPTION, words("Plan"), 9_000_000, str(new_id())))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, InvoiceTerms())
    assert invoice is not None
    studio.ids["Invoice"] = encode_id("Invoice", invoice.id)


async def _entry(studio: Studio, name: str) -> str:
    made = await studio.person.mutate(
        "codexEntryCreate", "codexEntry { id }", projectId=studio.ids["Project"], kind="CHARACTER",
        name=studio.words(name), aliases=[studio.words("alias")],
        attributes=[{"key": "age", "value": studio.words("forty")}],
    )  # fmt: skip
    return str(made["codexEntry"]["id"])


async def _generations(studio: Studio, runtime: Runtime) -> None:
    """One that has ended, with a version; and one that failed, which could be retried: the demo knows no such model."""
    for instructions, model in (("[demo:chunks=20 delay_ms=0]", None), ("x", "own-writer")):
        started = await studio.person(
            GENERATE.replace("idempotencyKey: $key", 'idempotencyKey: $key, model: $model').replace(
                "$words: Int)", "$words: Int, $model: String)"
            ),
            chapterId=studio.ids["Chapter"], instructions=studio.words(instructions), key=secrets.token_hex(8),
            model=model,
        )  # fmt: skip
        ids = {"Generation": started["generation"]["id"], "Job": started["generation"]["job"]["id"]}
        await run_job(runtime, studio.person.tenant_id, JobId(decode_id("Job", ids["Job"])))
        state = await state_of(studio.person, ids["Generation"])
        if model is None:
            assert state["state"] == "COMPLETED", state
            studio.ids |= ids | {"TextVersion": state["version"]["id"]}
        else:
            assert state["state"] == "FAILED", state
            studio.ids |= {"FailedJob": ids["Job"]}


async def _knowledge(studio: Studio, runtime: Runtime) -> None:
    """A base with a document that is ready, and its chunk."""
    person, ids, words = studio.person, studio.ids, studio.words
    made = await person.mutate(
        "knowledgeBaseCreate", "knowledgeBase { id }", name=words("Base"), description=words("About"),
        embeddingModel="hash",
    )  # fmt: skip
    ids["KnowledgeBase"] = made["knowledgeBase"]["id"]
    made = await person.mutate(
        "documentCreate", "document { id job { id } }", knowledgeBaseId=ids["KnowledgeBase"], title=words("Document"),
        text=words("Said"), idempotencyKey=secrets.token_hex(8),
    )  # fmt: skip
    ids["Document"] = document = made["document"]["id"]
    await ingest(runtime, person.tenant_id, JobId(decode_id("Job", made["document"]["job"]["id"])))
    query = "query ($id: ID!) { node(id: $id) { ... on Document { chunks { edges { node { id } } } } } }"
    ids["Chunk"] = (await person(query, id=document))["chunks"]["edges"][0]["node"]["id"]


async def state_of(person: Person, generation_id: str) -> Any:
    query = "query ($id: ID!) { node(id: $id) { ... on Generation { state text errorCode version { id text } } } }"
    return await person(query, id=generation_id)


TENANT_TABLES = text(
    "select table_name as name from information_schema.columns where table_schema = 'app' and column_name = 'tenant_id'"
)


async def rows_of(admin: Database, tenant_id: TenantId) -> set[tuple[str, str]]:
    """Every row of a tenant, with its table; but for what is counted of its requests, which is written by the clock."""
    parts = [
        f"select '{table.name}' as name, to_jsonb(t)::text as value from app.{table.name} t where tenant_id = '{tenant_id}'"
        for table in await admin.platform_rows(TENANT_TABLES)
        if table.name != "schema_uses"
    ]
    return {(row.name, row.value) for row in await admin.platform_rows(text(" union all ".join(parts)))}
