"""Invoices as PDF, in English or Chinese: the same bytes for the same invoice.

Only what never changes is on them: neither whether an invoice was paid, nor its credit notes. Latin text is set in
Helvetica and everything else in STSong-Light, which every reader of PDF brings itself: no font is shipped. Where one
is given, a TrueType font that has the characters, it is embedded instead.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from adapters.invoice_words import ENGLISH, WORDS, Words
from domain.billing.money import CURRENCY, MICRO
from domain.invoices.entities import Invoice, InvoiceItem
from domain.text import base_language

LATIN, LATIN_BOLD, CJK, OWN = "Helvetica", "Helvetica-Bold", "STSong-Light", "FabulaInvoice"
INK, GREY, RULE = "#1d1d1f", "#6e6e73", "#d2d2d7"
MARGIN_MM = 20
COLUMNS_MM = (82, 35, 23, 30)
FOOTER_MM = 12


def render(invoice: Invoice, lines: Sequence[InvoiceItem], locale: str, font: Path | None = None) -> bytes:
    """The document. Takes some tens of milliseconds of CPU."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    words = WORDS.get(base_language(locale), ENGLISH)
    sheet = Sheet(words, _fonts(font))
    into = io.BytesIO()
    document = SimpleDocTemplate(
        into, pagesize=A4, leftMargin=MARGIN_MM * mm, rightMargin=MARGIN_MM * mm, topMargin=MARGIN_MM * mm,
        bottomMargin=(MARGIN_MM + FOOTER_MM) * mm, title=f"{words.invoice} {invoice.number}", lang=words.language,
        author=str(invoice.seller["name"]), invariant=True,
    )  # fmt: skip
    document.build(sheet.story(invoice, lines), canvasmaker=_numbered(sheet, invoice.number))
    return into.getvalue()


def amount(micros: int) -> str:
    """With two decimals, and more where they are not zero: 0.000125."""
    text = f"{abs(Decimal(micros)) / MICRO:,.6f}"
    text = text[:-4] + text[-4:].rstrip("0")
    return f"-{text}" if micros < 0 else text


@cache
def _fonts(own: Path | None) -> frozenset[int] | None:
    """Make the fonts known. The characters of a font of one's own; None without one."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(UnicodeCIDFont(CJK))
    if own is None:
        return None
    font = TTFont(OWN, str(own))
    pdfmetrics.registerFont(font)
    return frozenset(font.face.charToGlyph)


def _numbered(sheet: Sheet, number: str) -> Any:
    """A canvas that knows how many pages there are before it writes the foot of the first."""
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page, state in enumerate(self._pages, 1):
                self.__dict__.update(state)
                foot = sheet.text(f"{number}   {page} / {len(self._pages)}", size=8, color=GREY, right=True)
                foot.wrapOn(self, 170 * mm, 10 * mm)
                foot.drawOn(self, MARGIN_MM * mm, MARGIN_MM * mm)
                super().showPage()
            super().save()

    return Numbered


class Sheet:
    """Puts an invoice into paragraphs and tables."""

    def __init__(self, words: Words, own: frozenset[int] | None) -> None:
        self._words = words
        self._own = own

    def story(self, invoice: Invoice, lines: Sequence[InvoiceItem]) -> list[Any]:
        from reportlab.lib.units import mm
        from reportlab.platypus import Spacer

        return [
            self._head(invoice), Spacer(1, 10 * mm), self._parties(invoice), Spacer(1, 10 * mm),
            self._lines(lines), self._total(invoice), Spacer(1, 8 * mm),
            self._table([[self.text(self._closing(invoice))]], (170,)),
        ]  # fmt: skip

    def text(self, text: str, *, size: float = 9.5, color: str = INK, bold: bool = False, right: bool = False) -> Any:
        """A paragraph; a line end stays one."""
        from reportlab.lib.colors import HexColor
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.platypus import Paragraph

        style = ParagraphStyle(
            "text", fontName=LATIN_BOLD if bold else LATIN, fontSize=size, leading=size * 1.4, alignment=2 * right,
            textColor=HexColor(color), wordWrap="CJK" if any(not _latin(one) for one in text) else None,
        )  # fmt: skip
        return Paragraph("<br/>".join(self._marked(line) for line in text.split("\n")), style)

    def _marked(self, line: str) -> str:
        """Every run of characters with the font that has them."""
        runs = ((font, "".join(run)) for font, run in groupby(line, self._font_of))
        return "".join(
            escape(run) if font == LATIN else f'<font name="{font}">{escape(run)}</font>' for font, run in runs
        )

    def _font_of(self, character: str) -> str:
        if self._own is not None and ord(character) in self._own:
            return OWN
        return LATIN if _latin(character) else CJK

    def _head(self, invoice: Invoice) -> Any:
        words = self._words
        facts = [
            (words.number, invoice.number), (words.issued, invoice.issued_at.date().isoformat()),
            (words.due, invoice.due_at.date().isoformat()),
            (words.period, _span(invoice.starts_on, invoice.ends_on)),
        ]  # fmt: skip
        told = self._table(
            [[self.text(name, color=GREY), self.text(value, right=True)] for name, value in facts], (30, 50)
        )
        return self._table([[self.text(words.invoice, size=24, bold=True), told]], (90, 80))

    def _parties(self, invoice: Invoice) -> Any:
        words = self._words
        both = [(words.seller, invoice.seller), (words.buyer, invoice.buyer)]
        return self._table([[[self.text(name, size=8, color=GREY), *self._party(who)] for name, who in both]], (85, 85))

    def _party(self, who: dict[str, Any]) -> list[Any]:
        tax_id = f"{self._words.tax_id} {who['tax_id']}" if who["tax_id"] else ""
        rest = [part for part in (who["address"], who.get("country", ""), tax_id, who.get("email", "")) if part]
        return [self.text(who["name"] or "-", bold=True), *([self.text("\n".join(rest))] if rest else [])]

    def _lines(self, lines: Sequence[InvoiceItem]) -> Any:
        words = self._words
        names = (words.description, words.period, words.quantity, f"{words.amount} ({CURRENCY})")
        head = [self.text(name, size=8, color=GREY, right=place > 1) for place, name in enumerate(names)]
        rows = [head, *(self._line(one) for one in lines)]
        return self._table(rows, COLUMNS_MM, repeat=1, ruled=True)

    def _line(self, line: InvoiceItem) -> list[Any]:
        words = self._words
        about = [words.kinds[line.kind]]
        if line.usage is not None:
            counts = {name: f"{value:,}" for name, value in asdict(line.usage).items() if isinstance(value, int)}
            about.append(words.tokens.format_map(counts))
        what = [self.text(words.own.get(line.description, line.description))]
        what.append(self.text(" · ".join(about), size=8, color=GREY))
        quantity = f"{line.quantity.normalize():,f} {words.units.get(line.unit, line.unit)}" if line.unit else ""
        if line.unit_price_micros is not None:
            quantity = f"{quantity}\n× {amount(line.unit_price_micros)}".strip()
        return [
            what, self.text(_span(line.starts_on, line.ends_on), size=8),
            self.text(quantity, size=8, right=True), self.text(amount(line.amount_micros), right=True),
        ]  # fmt: skip

    def _total(self, invoice: Invoice) -> Any:
        total = f"{CURRENCY} {amount(invoice.total_micros)}"
        return self._table(
            [[self.text(self._words.total, size=12, bold=True), self.text(total, size=12, bold=True, right=True)]],
            (85, 85),
        )

    def _closing(self, invoice: Invoice) -> str:
        words = self._words
        said = words.please_pay if invoice.total_micros else words.nothing_to_pay
        return said.format(number=invoice.number, due=invoice.due_at.date().isoformat())

    def _table(self, rows: list[list[Any]], widths_mm: Sequence[float], *, repeat: int = 0, ruled: bool = False) -> Any:
        from reportlab.lib.colors import HexColor
        from reportlab.lib.units import mm
        from reportlab.platypus import Table

        style: list[tuple[Any, ...]] = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-2, -1), 6), ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 3 + 2 * ruled), ("BOTTOMPADDING", (0, 0), (-1, -1), 3 + 2 * ruled),
        ]  # fmt: skip
        if ruled:
            style.append(("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(RULE)))
        return Table(rows, colWidths=[one * mm for one in widths_mm], repeatRows=repeat, style=style)


def _latin(character: str) -> bool:
    """Whether Helvetica has it, as PDF encodes it."""
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _span(first: date | None, last: date | None) -> str:
    days = [day.isoformat() for day in (first, last) if day is not None]
    return " – ".join(dict.fromkeys(days))
