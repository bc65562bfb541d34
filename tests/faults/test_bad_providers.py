"""A provider that breaks, behind the real worker: never a wrong text, never a part that is called the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.behaviour import expected_text
from tests.faults.author import Author
from tests.faults.books import Account, accounts, imbalances, released, settled
from tests.faults.figures import measured_seconds
from tests.faults.product import Product
from tests.faults.provider import Provider
from tests.faults.watcher import Watcher
from tests.pace import slowness

TOKENS, AFTER = 40, 12
WHOLE, PART = expected_text(TOKENS), expected_text(AFTER)
IN_THE_MIDDLE = ("cut", "eof", "garbage", "broken_json", "foreign", "bad_utf8", "error_frame", "huge_event")


@dataclass(frozen=True)
class Outcome:
    """What became of a generation: in the database, for its watcher, in the books."""

    kept: dict[str, Any]
    watcher: Watcher
    books: list[Account]

    @property
    def text(self) -> str | None:
        """Of the version, which must be what the watcher has; None without a version."""
        version = self.kept["version"]
        assert self.watcher.anomalies == []
        if version is not None:
            assert self.watcher.text == version["text"]
        return version and str(version["text"])

    @property
    def attempts(self) -> list[str]:
        return [attempt["outcome"] for attempt in self.kept["attempts"]]


async def outcomes(author: Author, models: Iterable[str]) -> dict[str, Outcome]:
    """A generation of each model, all at once, watched to its end."""
    chapter = await author.new_chapter()

    async def outcome(model: str) -> Outcome:
        started = await author.start(chapter, model=model)
        watcher = author.watcher(started, expected=WHOLE)
        async with asyncio.timeout(60):
            await watcher.run()
        return Outcome(await author.generation(started), watcher, await accounts(author, [started]))

    listed = list(models)
    found = dict(zip(listed, await asyncio.gather(*(outcome(model) for model in listed)), strict=True))
    assert await imbalances(author) == []
    return found


async def test_a_break_in_the_middle_is_mended_by_a_second_attempt(
    product: Product, provider: Provider, author: Author
) -> None:
    models = {f"{mode}:tokens={TOKENS},after={AFTER},delay_ms=20,times=1": mode for mode in IN_THE_MIDDLE}
    found = await outcomes(author, models)
    assert {
        models[model]: (one.kept["state"], one.text, one.attempts, one.watcher.resets, one.books)
        for model, one in found.items()
    } == {mode: ("COMPLETED", WHOLE, ["CUT", "COMPLETED"], 1, [settled(1)]) for mode in IN_THE_MIDDLE}
    lags = []
    for model, one in found.items():
        sent = provider.exchanges_of(model)[1].first_token_at
        assert sent is not None
        seen = next(event.at for event in one.watcher.seen if event.attempt == 2 and event.type == "TextDelta")
        lags.append(seen - sent)
    measured_seconds("second attempt after a break: the provider's first token to the reader", lags)
    assert max(lags) < 0.02 * TOKENS * slowness()  # live, and not only at the end


async def test_a_provider_that_breaks_every_time_leaves_a_part_that_says_so(product: Product, author: Author) -> None:
    models = {f"{mode}:tokens={TOKENS},after={AFTER},delay_ms=20": mode for mode in IN_THE_MIDDLE}
    found = await outcomes(author, models)
    assert {
        models[model]: (one.kept["state"], one.text, one.attempts, one.watcher.resets, one.books)
        for model, one in found.items()
    } == {mode: ("TRUNCATED", PART, ["CUT", "CUT", "CUT"], 2, [settled(1, "TRUNCATED")]) for mode in IN_THE_MIDDLE}
    assert {one.watcher.end["reason"] for one in found.values() if one.watcher.end} == {"CUT"}


async def test_a_provider_that_is_unwell_at_first_is_asked_again_within_the_attempt(
    product: Product, author: Author
) -> None:
    more = f"tokens={TOKENS},delay_ms=5,times=2"
    models = [
        f"status:status=429,retry_after=1,{more}",
        f"status:status=500,{more}",
        f"status:status=503,{more}",
        f"html:{more}",
        f"json:{more}",
        f"reset:{more}",
    ]
    found = await outcomes(author, models)
    assert {
        model: (one.kept["state"], one.text, one.attempts, one.watcher.resets, one.books)
        for model, one in found.items()
    } == {model: ("COMPLETED", WHOLE, ["COMPLETED"], 0, [settled(1)]) for model in models}


async def test_a_provider_that_never_begins_fails_with_a_code_and_costs_nothing(
    product: Product, author: Author
) -> None:
    codes = {
        "status:status=429": "RATE_LIMITED",
        "status:status=500": "OVERLOADED",
        "status:status=503": "OVERLOADED",
        "status:status=401": "AUTHENTICATION",
        "html": "INVALID_RESPONSE",
        "reset": "UNREACHABLE",
        "empty": "EMPTY_ANSWER",
    }
    found = await outcomes(author, codes)
    assert {
        model: (one.kept["state"], one.kept["errorCode"], one.text, one.attempts, one.books)
        for model, one in found.items()
    } == {model: ("FAILED", code, None, ["FAILED"], [released(1, "FAILED")]) for model, code in codes.items()}
    assert all(one.kept["errorMessage"] and one.kept["attempts"][0]["trace"] for one in found.values())


async def test_a_length_limit_and_a_filter_truncate(product: Product, author: Author) -> None:
    models = {f"length:tokens={TOKENS}": "LENGTH", f"content_filter:tokens={TOKENS}": "CONTENT_FILTER"}
    found = await outcomes(author, models)
    assert {
        model: (one.kept["state"], one.text, one.watcher.end and one.watcher.end["reason"], one.books)
        for model, one in found.items()
    } == {model: ("TRUNCATED", WHOLE, reason, [settled(1, "TRUNCATED")]) for model, reason in models.items()}
