"""Documents made for a test, whole and broken."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from reportlab.lib.pagesizes import A5
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EPUB = "application/epub+zip"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_STYLES = f'<w:styles {_W}><w:style w:styleId="Top"><w:name w:val="heading 1"/></w:style></w:styles>'


def zipped(parts: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            # EPUB wants this one part to be readable without unpacking.
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return out.getvalue()


def pdf(pages: int, password: str | None = None) -> bytes:
    """A heading in the outline, twelve lines of English that are one paragraph, and a line of Chinese on each page."""
    if "STSong-Light" not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    out = io.BytesIO()
    paper = canvas.Canvas(out, pagesize=A5, encrypt=password)
    for number in range(1, pages + 1):
        paper.bookmarkPage(f"p{number}")
        paper.addOutlineEntry(f"Lamp {number}", f"p{number}", 0)
        paper.setFont("Helvetica", 11)
        paper.drawString(50, 560, f"Lamp {number}")
        lines = paper.beginText(50, 530)
        for line in range(12):
            lines.textLine(f"The keeper of lamp {number} wrote line {line} and trimmed the wick once more")
        paper.drawText(lines)
        paper.setFont("STSong-Light", 12)
        paper.drawString(50, 80, f"第{number}夜的灯还亮着。")
        paper.showPage()
    paper.save()
    return out.getvalue()


def word(*paragraphs: str | tuple[str, str], prolog: str = "", body: str = "") -> bytes:
    """A tuple is a paragraph and its style; `Top` is that of headings."""
    written = body
    for one in paragraphs:
        said, style = one if isinstance(one, tuple) else (one, "")
        shaped = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        written += f"<w:p>{shaped}<w:r><w:t>{said}</w:t></w:r></w:p>"
    main = f"{prolog}<w:document {_W}><w:body>{written}</w:body></w:document>"
    return zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": main, "word/styles.xml": _STYLES})


def epub(*pages: str, encrypted: bool = False) -> bytes:
    """Pages in reverse order of their names: it is the spine that counts."""
    names = [f"p{len(pages) - n}.xhtml" for n in range(len(pages))]
    items = "".join(f'<item id="{one}" href="{one}" media-type="application/xhtml+xml"/>' for one in sorted(names))
    spine = "".join(f'<itemref idref="{one}"/>' for one in names)
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="O/c.opf"/></rootfiles></container>',
        "O/c.opf": f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>",
        **{f"O/{name}": page for name, page in zip(names, pages, strict=True)},
    }
    if encrypted:
        said = f'<encryption><CipherReference URI="O/{names[0]}"/></encryption>'
        parts["META-INF/encryption.xml"] = said
    return zipped(parts)
