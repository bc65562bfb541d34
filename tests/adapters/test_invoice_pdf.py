"""Invoices as PDF, read back with a library that did not write them."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pypdf
import pytest

from adapters.invoice_pdf import amount, render
from adapters.invoice_words import WORDS
from domain.ids import InvoiceId, TenantId, new_id
from domain.invoices import Invoice, InvoiceItem, InvoiceReason, InvoiceState, ItemKind
from domain.invoices.entities import MonthUsed, Used
from domain.invoices.monthly import usage_lines

ISSUED = datetime(2026, 12, 1, 0, 20, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)


def lines(models: int = 2) -> list[InvoiceItem]:
    used = [MonthUsed(NOVEMBER, Used(f"quill-{n}", 12_000, 3_000, 0, 4_500, 0), 1_250_001, 7) for n in range(models)]
    fee = InvoiceItem(
        ItemKind.SUBSCRIPTION, "Plan Author & <friends>", 9_000_000, "fee", Decimal(1), "month", 9_000_000, NOVEMBER
    )
    return [fee, *usage_lines(used, "month:2026-11", NOVEMBER)]


def invoice(items: list[InvoiceItem], name: str = "Alice Müller") -> Invoice:
    seller = {"name": "Inkwell Ltd", "address": "1 Quay Street\nWellington", "tax_id": "NZ 12-345"}
    buyer = {"name": name, "address": "", "tax_id": "", "email": "a@example.org", "country": "NZ"}
    return Invoice(
        TenantId(new_id()), InvoiceId(new_id()), "F-2026-000042", InvoiceState.OPEN, InvoiceReason.MONTH, NOVEMBER,
        date(2026, 11, 30), ISSUED, ISSUED + timedelta(days=14), ISSUED + timedelta(days=21),
        sum(one.amount_micros for one in items), len(items), "NZ 12-345", seller, buyer,
    )  # fmt: skip


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", ["Invoice", "12,000 input (3,000 cached), 4,500 output tokens", "7 calls", "Paid from credit", "Total",
                "Please pay invoice F-2026-000042 by 2026-12-15."]),
        ("zh", ["账单", "用量 · 输入 12,000（缓存 3,000）、输出 4,500 个词元", "7 次", "已从余额支付", "合计",
                "请在 2026-12-15 之前支付账单 F-2026-000042。"]),
    ],
)  # fmt: skip
def test_an_invoice_says_in_its_language_what_is_billed(locale: str, said: list[str]) -> None:
    items = lines()
    [page] = pages(render(invoice(items), items, locale))
    joined = " ".join(page.split())
    for part in [*said, "Plan Author & <friends>", "Alice Müller", "quill-1", "1.250001", "-2.500002", "USD 9.00"]:
        assert part in joined or part.replace(" ", "") in joined.replace(" ", ""), part


def test_a_chinese_name_stands_on_an_english_invoice() -> None:
    items = lines()
    [page] = pages(render(invoice(items, "墨香文化（上海）Ltd"), items, "en"))
    assert "墨香文化（上海）Ltd" in page.replace("\n", "").replace(" ", "")


def test_the_same_invoice_is_the_same_bytes() -> None:
    items = lines()
    one = invoice(items)
    assert render(one, items, "zh") == render(one, items, "zh")
    one.state, one.paid_at = InvoiceState.PAID, ISSUED
    assert render(one, items, "zh") == render(one, items, "zh-CN")


def test_a_long_invoice_names_its_columns_on_every_page_and_its_total_on_the_last() -> None:
    items = lines(120)
    found = pages(render(invoice(items), items, "en"))
    assert len(found) > 3
    assert all("Description" in page for page in found[:-1])
    assert [f"{number} / {len(found)}" in page for number, page in enumerate(found, 1)] == [True] * len(found)
    assert ["USD 9.00" in page for page in found] == [False] * (len(found) - 1) + [True]
    assert all(f"quill-{n}\n" in "\n".join(found) for n in range(120))


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.00"), (9_000_000, "9.00"), (-1_500_000, "-1.50"), (1, "0.000001"), (1_234_567_890_000, "1,234,567.89")],
)
def test_an_amount_has_at_least_two_decimals_and_never_too_few(micros: int, text: str) -> None:
    assert amount(micros) == text


def test_every_kind_of_line_has_a_name_in_each_language() -> None:
    for words in WORDS.values():
        assert set(words.kinds) == set(ItemKind)


@pytest.mark.parametrize(
    "name", ["Łukasz Őrsi", "😀 🎉", "محمد", "<b>&amp;</i>", "W" * 200, "墨" * 200, "a\u0301", "\U00020000"]
)
def test_no_name_keeps_an_invoice_from_being_made(name: str) -> None:
    items = lines()
    assert len(pages(render(invoice(items, name), items, "en"))) == 1
