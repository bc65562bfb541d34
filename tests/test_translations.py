"""The server's sentences are English; the Studio has a Chinese one for every code that it may meet.

For what the server says in codes alone, such as why a channel was left out, the Studio has English words too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.channels.decision import ChoiceReason, RejectionReason
from domain.errors import ErrorCode
from domain.generation.provider import ProviderErrorCode
from domain.knowledge.entities import DocumentErrorCode

I18N = Path(__file__).parents[1] / "frontend_codegen/studio/src/i18n"
ENDINGS = ["EMPTY_ANSWER", "WORKER_CRASHED"]
CALLS = ["OK", "STOPPED"]


def translated(file: str, table: str) -> set[str]:
    """The codes of a table of sentences."""
    found = re.search(
        rf"^ +{table}: \{{\n(.*?)\n +\}}( as Record<string, string>)?,$",
        (I18N / f"{file}.ts").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert found, f"{file}.ts has no table {table}"
    return set(re.findall(r"^ +([A-Z_]+): '.+',$", found[1], re.MULTILINE))


@pytest.mark.parametrize(
    ("table", "codes"),
    [("codes", ErrorCode), ("failures", [*ProviderErrorCode, *ENDINGS]), ("documents", DocumentErrorCode)],
)
def test_every_code_has_a_chinese_sentence(table: str, codes: list[str]) -> None:
    assert translated("zh", table) == {str(code) for code in codes}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("table", "codes"),
    [
        ("reasons", [*ChoiceReason]),
        ("exclusions", [reason.name for reason in RejectionReason]),
        ("outcomes", [*CALLS, *ProviderErrorCode]),
    ],
)
def test_every_code_of_routing_has_words_in_both_languages(language: str, table: str, codes: list[str]) -> None:
    assert translated(f"channels-{language}", table) == {str(code) for code in codes}
