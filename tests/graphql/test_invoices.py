"""Invoices through HTTP: who sees, pays and takes them back, and the file behind a link."""

from __future__ import annotations

import base64
import hashlib
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pypdf
import pytest

from app.invoice_files import LINK_TTL, Link, SignedInvoiceFiles
from domain.accounts import Role
from domain.billing import top_up_entry
from domain.ids import InvoiceId, PaymentId, new_id
from domain.invoices import InvoiceItem, InvoiceReason, InvoiceTerms, ItemKind, Seller
from domain.invoices.service import issue
from domain.payments.entities import Payment, PaymentPurpose
from domain.payments.port import Outcome, OutcomeState
from schema.ids import decode_id, encode_id
from tests.documents import GENERATE
from tests.graphql.clients import Person, Site

INVOICES = """query ($first: Int! = 20, $after: String) { invoices(first: $first, after: $after) {
  edges { node { id number state reason total { amount } issuedAt dueAt paidAt buyer { name country } seller { name }
    lines { kind description quantity unit amount { amount } }
    creditNotes { number amount { amount } reason creditedToWallet } payment { state purpose } } }
  pageInfo { hasNextPage endCursor } } }"""
PDF = (
    "query ($id: ID!, $locale: String!) { invoicePdf(id: $id, locale: $locale) { url expiresAt fileName size sha256 } }"
)
PAID = "invoice { id state paidAt } payment { id state amount { amount } }"
NOTE = "creditNote { number amount { amount } creditedToWallet } invoice { id state }"
TERMS = InvoiceTerms(Seller("Inkwell Ltd", "1 Quay Street\nWellington", "NZ 12-345"))


@pytest.fixture
async def owner(site: Site) -> Person:
    return await site.tenant(credit_micros=0)


async def bill(person: Person, *amounts: int) -> str:
    """The id of an invoice over plan fees."""
    async with person.site.api.services.units(person.tenant_id) as uow:
        for place, micros in enumerate(amounts or (9_000_000,)):
            item = InvoiceItem(ItemKind.SUBSCRIPTION, "Plan Author", micros, f"{uow.now}:{place}", unit="months")
            await uow.invoices.add_item(item)
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    assert invoice is not None
    return encode_id("Invoice", invoice.id)


async def listed(person: Person) -> list[Any]:
    return [edge["node"] for edge in (await person(INVOICES))["edges"]]


async def available(person: Person) -> Decimal:
    return Decimal((await person("{ wallet { available { amount } } }"))["available"]["amount"])


async def test_an_invoice_is_listed_with_its_lines(owner: Person) -> None:
    id_ = await bill(owner, 9_000_000, 3_000_000)
    [invoice] = await listed(owner)
    assert (invoice["id"], invoice["state"], invoice["reason"]) == (id_, "OPEN", "SUBSCRIPTION")
    assert sum(Decimal(line["amount"]["amount"]) for line in invoice["lines"]) == Decimal(invoice["total"]["amount"])
    assert invoice["lines"][0]["description"] == "Plan Author"
    assert datetime.fromisoformat(invoice["dueAt"]) - datetime.fromisoformat(invoice["issuedAt"]) == timedelta(days=14)
    node = await owner("query ($id: ID!) { node(id: $id) { ... on Invoice { number total { amount } } } }", id=id_)
    assert (node["number"], Decimal(node["total"]["amount"])) == (invoice["number"], Decimal(12))


async def test_invoices_are_paged_newest_first(owner: Person) -> None:
    ids = [await bill(owner) for _ in range(3)]
    page = await owner(INVOICES, first=2)
    assert [edge["node"]["id"] for edge in page["edges"]] == [ids[2], ids[1]]
    rest = await owner(INVOICES, first=2, after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in rest["edges"]] == [ids[0]]


@pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING, Role.ADMIN, Role.AUTHOR, Role.VIEWER])
async def test_invoices_are_for_those_who_keep_the_books(owner: Person, site: Site, role: Role) -> None:
    id_ = await bill(owner)
    member = await site.member(owner, role)
    may = role in {Role.OWNER, Role.BILLING}
    for query, variables in ((INVOICES, {}), (PDF, {"id": id_, "locale": "en"}), ("{ billingDetails { name } }", {})):
        errors = [one["extensions"]["code"] for one in (await member.ask(query, **variables)).get("errors", [])]
        assert errors == ([] if may else ["FORBIDDEN"]), query
    node = await member("query ($id: ID!) { node(id: $id) { id } }", id=id_)
    assert node == ({"id": id_} if may else None)


async def test_another_tenant_sees_nothing_of_an_invoice(owner: Person, site: Site) -> None:
    id_ = await bill(owner)
    stranger = await site.tenant(credit_micros=0)
    assert await listed(stranger) == []
    assert await stranger.code(PDF, id=id_, locale="en") == "NOT_FOUND"
    assert await stranger.refusal("invoicePay", invoiceId=id_, idempotencyKey="k") == (
        "NOT_FOUND", ["input", "invoiceId"])  # fmt: skip


async def test_an_invoice_is_paid_once_whatever_is_repeated(owner: Person) -> None:
    id_ = await bill(owner)
    first = await owner.mutate("invoicePay", PAID, invoiceId=id_, idempotencyKey="k")
    assert (first["invoice"]["state"], first["payment"]["state"]) == ("PAID", "SUCCEEDED")
    again = await owner.mutate("invoicePay", PAID, invoiceId=id_, idempotencyKey="k")
    assert again["payment"]["id"] == first["payment"]["id"]
    assert await owner.refusal("invoicePay", invoiceId=id_, idempotencyKey="other") == (
        "INVALID_STATE", ["input", "invoiceId"])  # fmt: skip
    [invoice] = await listed(owner)
    assert invoice["payment"] == {"state": "SUCCEEDED", "purpose": "INVOICE"} and invoice["paidAt"]
    assert await available(owner) == 0


async def test_of_a_part_taken_back_the_rest_is_paid(owner: Person, platform: Person) -> None:
    id_ = await bill(owner)
    note = await platform.mutate(
        "creditNoteIssue",
        NOTE,
        tenantId=owner.tenant_gid,
        invoiceId=id_,
        amount="2.50",
        reason="late",
        idempotencyKey="a",
    )
    assert note["creditNote"]["creditedToWallet"] is False
    paid = await owner.mutate("invoicePay", PAID, invoiceId=id_, idempotencyKey="k")
    assert Decimal(paid["payment"]["amount"]["amount"]) == Decimal("6.50")
    assert (paid["invoice"]["state"], await available(owner)) == ("PAID", Decimal(0))


async def test_an_unpaid_invoice_that_is_taken_back_whole_is_void(owner: Person, platform: Person) -> None:
    id_ = await bill(owner)
    for _ in range(2):
        note = await platform.mutate(
            "creditNoteIssue", NOTE, tenantId=owner.tenant_gid, invoiceId=id_, reason="mistake", idempotencyKey=f"{id_}"
        )
    [invoice] = await listed(owner)
    assert invoice["state"] == "VOID"
    assert [(one["number"], Decimal(one["amount"]["amount"])) for one in invoice["creditNotes"]] == [
        (note["creditNote"]["number"], Decimal(9))]  # fmt: skip
    assert await available(owner) == 0


async def test_what_was_paid_and_is_taken_back_becomes_credit(owner: Person, platform: Person) -> None:
    id_ = await bill(owner)
    await owner.mutate("invoicePay", PAID, invoiceId=id_, idempotencyKey="k")
    taken = {"tenantId": owner.tenant_gid, "invoiceId": id_, "reason": "sorry"}
    note = await platform.mutate("creditNoteIssue", NOTE, **taken, amount="4", idempotencyKey=f"{id_}1")
    assert note["creditNote"]["creditedToWallet"] is True
    assert await available(owner) == 4
    for amount in ("5.01", "0", "-1", "0.001"):
        assert await platform.refusal("creditNoteIssue", **taken, amount=amount, idempotencyKey=f"{id_}{amount}") == (
            "BAD_USER_INPUT", ["input", "amount"])  # fmt: skip
    await platform.mutate("creditNoteIssue", NOTE, **taken, amount="5", idempotencyKey=f"{id_}2")
    assert (await available(owner), (await listed(owner))[0]["state"]) == (Decimal(9), "PAID")


async def test_so_little_is_not_left_that_nobody_can_pay_it(owner: Person, platform: Person) -> None:
    taken = {"tenantId": owner.tenant_gid, "invoiceId": await bill(owner), "reason": "x"}
    assert await platform.refusal("creditNoteIssue", **taken, amount="8.51", idempotencyKey="1") == (
        "BAD_USER_INPUT", ["input", "amount"])  # fmt: skip
    await platform.mutate("creditNoteIssue", NOTE, **taken, amount="8.50", idempotencyKey="2")


async def test_an_invoice_keeps_whom_it_was_for(owner: Person) -> None:
    details = {
        "name": "墨香文化",
        "address": "上海市\n静安区",
        "taxId": "913",
        "email": "Bills@Example.org",
        "country": "cn",
    }
    answer = await owner.mutate("billingDetailsSet", "billingDetails { name address taxId email country }", **details)
    assert answer["billingDetails"] == {**details, "email": "bills@example.org", "country": "CN"}
    await bill(owner)
    await owner.mutate("billingDetailsSet", "billingDetails { name }", name="Someone else")
    assert (await listed(owner))[0]["buyer"] == {"name": "墨香文化", "country": "CN"}
    assert (await owner("{ billingDetails { name country } }")) == {"name": "Someone else", "country": ""}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("name", " ", "EMPTY"), ("country", "CHN", "BAD_USER_INPUT"), ("email", "nobody", "BAD_USER_INPUT"),
     ("address", "\n".join("1234567"), "TOO_LONG"), ("taxId", "x" * 41, "TOO_LONG")],
)  # fmt: skip
async def test_details_that_cannot_be_are_refused(owner: Person, field: str, value: str, code: str) -> None:
    assert await owner.refusal("billingDetailsSet", **{"name": "A", field: value}) == (code, ["input", field])


# -- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("locale", "said"), [("en", "Please pay invoice"), ("zh-Hans", "之前支付账单")])
async def test_the_file_is_what_was_promised_in_both_languages(owner: Person, locale: str, said: str) -> None:
    id_ = await bill(owner)
    [promised, again] = [await owner(PDF, id=id_, locale=locale) for _ in range(2)]
    assert (promised["sha256"], promised["size"]) == (again["sha256"], again["size"])
    response = await owner.site.http.get(promised["url"])
    assert response.status_code == 200 and response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == f'attachment; filename="{promised["fileName"]}"'
    assert (hashlib.sha256(response.content).hexdigest(), len(response.content)) == (
        promised["sha256"],
        promised["size"],
    )
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(response.content)).pages)
    [invoice] = await listed(owner)
    for part in (invoice["number"], "Inkwell Ltd", "Plan Author", "USD 9.00", said):
        assert part in text


async def test_a_link_that_was_changed_is_refused(owner: Person) -> None:
    url = (await owner(PDF, id=await bill(owner), locale="en"))["url"]
    signed = url.removeprefix("/invoices/").removesuffix(".pdf")
    raw = bytearray(base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4)))
    raw[40] ^= 1
    for other in (base64.urlsafe_b64encode(raw).decode().rstrip("="), signed[:-4], "x", "%C3%A4"):
        assert (await owner.site.http.get(f"/invoices/{other}.pdf")).status_code == 403, other


async def test_a_link_is_good_for_its_time_and_not_longer(owner: Person, site: Site) -> None:
    id_ = await bill(owner)
    files = site.api.services.invoice_files
    assert isinstance(files, SignedInvoiceFiles)
    promised = await owner(PDF, id=id_, locale="en")
    ahead = datetime.fromisoformat(promised["expiresAt"]) - datetime.now(UTC)
    assert LINK_TTL - timedelta(seconds=30) < ahead <= LINK_TTL
    invoice_id = InvoiceId(decode_id("Invoice", id_))
    for seconds, status in ((60, 200), (-1, 410)):
        link = Link(owner.tenant_id, invoice_id, "en", datetime.now(UTC) + timedelta(seconds=seconds))
        assert (await site.http.get(f"/invoices/{files.signed(link)}.pdf")).status_code == status


async def test_what_comes_in_for_an_invoice_that_needs_none_any_more_becomes_credit(
    owner: Person, platform: Person, site: Site
) -> None:
    """Two payments of one invoice are under way, as at two pages; and it is taken back before a third comes in."""
    twice, void = await bill(owner), await bill(owner)
    services = site.api.services
    for number, id_ in enumerate((twice, twice, void)):
        payment = Payment(
            owner.tenant_id, PaymentId(new_id()), PaymentPurpose.INVOICE, 9_000_000, "SIMULATED", f"key-{number}",
            external_id=f"late_{number}_{id_}", invoice_id=InvoiceId(decode_id("Invoice", id_)),
        )  # fmt: skip
        async with services.units(owner.tenant_id) as uow:
            payment.created_at = uow.now
            assert await uow.payments.add(payment)
        if id_ == void:
            await platform.mutate(
                "creditNoteIssue", NOTE, tenantId=owner.tenant_gid, invoiceId=id_, reason="mistake", idempotencyKey=id_
            )
        for _ in range(2):
            await services.payments.close(owner.tenant_id, payment.id, Outcome(OutcomeState.SUCCEEDED))
    assert {one["id"]: one["state"] for one in await listed(owner)} == {twice: "PAID", void: "VOID"}
    assert await available(owner) == 18


async def test_a_tenant_past_the_grace_reads_and_edits_but_generates_nothing_new(owner: Person, site: Site) -> None:
    made = await owner.mutate("projectCreate", "project { id }", title="Novel")
    project = made["project"]["id"]
    made = await owner.mutate("chapterCreate", "chapter { id }", projectId=project, title="One")
    chapter = made["chapter"]["id"]
    async with site.api.services.units(owner.tenant_id) as uow:
        await uow.billing.post(top_up_entry("first", 9_000_000))
        await uow.invoices.add_item(InvoiceItem(ItemKind.SUBSCRIPTION, "Plan Author", 9_000_000, "late"))
        late = await issue(uow, InvoiceReason.SUBSCRIPTION, InvoiceTerms(due_days=0, grace_days=0))
    assert late is not None
    refused = await owner(GENERATE, chapterId=chapter, instructions="x", key="1")
    assert (refused["__typename"], refused["code"]) == ("MutationError", "PAYMENT_OVERDUE")
    await owner.mutate("chapterTextUpdate", "version { id }", chapterId=chapter, text="By hand.")
    await owner.mutate("invoicePay", PAID, invoiceId=encode_id("Invoice", late.id), idempotencyKey="k")
    started = await owner(GENERATE, chapterId=chapter, instructions="x", key="2")
    assert started["__typename"] == "GenerationStarted"
