"""The server's sentences are English; the Studio has a Chinese one for every code that it may meet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.errors import ErrorCode
from domain.generation.provider import ProviderErrorCode

ZH = Path(__file__).parents[1] / "frontend_codegen/studio/src/i18n/zh.ts"
ENDINGS = ["EMPTY_ANSWER", "WORKER_CRASHED"]


def translated(table: str) -> set[str]:
    """The codes of a table of sentences in zh.ts."""
    found = re.search(rf"^ +{table}: \{{\n(.*?)\n +\}},$", ZH.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"zh.ts has no table {table}"
    return set(re.findall(r"^ +([A-Z_]+): '.+',$", found[1], re.MULTILINE))


@pytest.mark.parametrize(("table", "codes"), [("codes", ErrorCode), ("failures", [*ProviderErrorCode, *ENDINGS])])
def test_every_code_has_a_chinese_sentence(table: str, codes: list[str]) -> None:
    assert translated(table) == {str(code) for code in codes}
