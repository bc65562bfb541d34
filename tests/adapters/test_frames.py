"""The rules of every stream, without a wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from adapters.frames import Cleaner, Frame, events
from adapters.http_errors import Failures
from domain.generation.provider import (
    FinishReason,
    ProviderErrorCode,
    ProviderLimits,
    UsageReport,
    UsageSource,
)
from tests.adapters.calls import Reading, read


async def _read(*frames: Frame | Exception, characters_max: int = 1_000) -> Reading:
    async def script() -> AsyncGenerator[Frame, None]:
        for frame in frames:
            if isinstance(frame, Exception):
                raise frame
            yield frame

    failures = Failures((), None)
    return await read(events(script(), ProviderLimits(), failures, characters_max=characters_max))


def _reason(reading: Reading) -> FinishReason | None:
    return reading.finished.reason if reading.finished else None


async def test_a_finish_reason_with_text_behind_it_was_not_the_end() -> None:
    reading = await _read(Frame(text="a", finish="stop"), Frame(text="b"))
    assert (reading.text, reading.failure.code) == ("ab", ProviderErrorCode.CUT)


async def test_a_finish_reason_on_every_event_ends_with_the_last() -> None:
    reading = await _read(Frame(text="a", finish="stop"), Frame(text="b", finish="stop"))
    assert (reading.text, _reason(reading)) == ("ab", FinishReason.STOP)


async def test_a_second_reason_does_not_hide_that_the_text_was_cut_short() -> None:
    reading = await _read(Frame(text="a", finish="length"), Frame(finish="stop"))
    assert _reason(reading) is FinishReason.LENGTH


@pytest.mark.parametrize(("word", "reason"), [("STOP", "STOP"), ("end_turn", "STOP"), ("MAX_TOKENS", "LENGTH")])
async def test_gateways_words_for_the_end_are_understood(word: str, reason: str) -> None:
    assert _reason(await _read(Frame(text="a"), Frame(finish=word))) is FinishReason(reason)


async def test_a_provider_that_ran_out_of_machines_did_not_finish() -> None:
    reading = await _read(Frame(text="a"), Frame(finish="insufficient_system_resource"))
    assert reading.failure.code is ProviderErrorCode.OVERLOADED


async def test_the_last_counts_replace_the_earlier_ones() -> None:
    reading = await _read(
        Frame(text="a", usage=UsageReport(1, 1)), Frame(finish="stop"), Frame(usage=UsageReport(1, 2))
    )
    assert reading.usage == [UsageReport(1, 2, source=UsageSource.PROVIDER_FINAL)]


async def test_counts_from_before_the_end_are_partial() -> None:
    reading = await _read(Frame(text="a", usage=UsageReport(1, 1)), Frame(finish="stop"))
    assert reading.usage == [UsageReport(1, 1, source=UsageSource.PROVIDER_PARTIAL)]


async def test_text_and_reasoning_share_one_bound() -> None:
    reading = await _read(Frame(reasoning="rrr", text="tttt"), Frame(text="never"), characters_max=5)
    assert (reading.reasoning, reading.text, _reason(reading)) == ("rrr", "tt", FinishReason.LENGTH)


async def test_a_failure_keeps_no_trace_of_its_cause() -> None:
    error = (await _read(Frame(text="a"), RuntimeError("the prompt"))).failure
    assert (error.__cause__, error.__suppress_context__) == (None, True)


async def test_leaving_early_closes_what_is_below_before_it_returns() -> None:
    closed = False

    async def script() -> AsyncGenerator[Frame, None]:
        nonlocal closed
        try:
            yield Frame(text="a")
            yield Frame(text="b")
        finally:
            closed = True

    frames = script()  # held here, so that no garbage collector closes it in our place
    stream = events(frames, ProviderLimits(), Failures((), None))
    await anext(stream)
    await stream.aclose()
    assert closed


async def test_waiting_in_small_pieces_is_waiting_all_the_same() -> None:
    async def pings() -> AsyncGenerator[Frame, None]:
        while True:
            await asyncio.sleep(0.01)
            yield Frame()

    limits = ProviderLimits(first_token_s=0.1)
    reading = await read(events(pings(), limits, Failures((), None)))
    assert reading.failure.detail == "first_token_s of 0.1 s reached"


async def test_the_clock_stops_even_a_stream_that_never_waits() -> None:
    async def flood() -> AsyncGenerator[Frame, None]:
        while True:
            yield Frame(text="x")

    reading = await read(events(flood(), ProviderLimits(total_s=0.05), Failures((), None)))
    assert reading.failure.detail == "total_s of 0.05 s reached"


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["\ud83d", "", "\ude00"], "😀"),
        (["\ude00", "a"], "\ufffda"),
        (["a\ud83d"], "a\ufffd"),
        (["tab\tline\r\nnul\x00bell\x07c1\x85"], "tab\tline\r\nnulbellc1"),
        (["字😀"], "字😀"),
    ],
)
def test_what_cannot_be_stored_is_mended(pieces: list[str], text: str) -> None:
    cleaner = Cleaner()
    assert "".join([cleaner.add(piece) for piece in pieces]) + cleaner.flush() == text
