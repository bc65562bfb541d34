"""The engine that writes without a model."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import pytest

from adapters.demo import DemoProvider
from adapters.demo_text.bank import Language, bank
from domain.generation.context import CodexCard, ContextInput, compile_context
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    FinishReason,
    ProviderErrorCode,
    ProviderLimits,
    TextChunk,
    UsageReport,
    UsageSource,
)
from domain.text import estimated_tokens, word_count
from tests.adapters.calls import Reading, read
from tests.pace import slowness

EN = "Write a chapter in which Josse hides the brass key under the ferry."
ZH = "写一章：米拉在雾里听见钥匙在嗡鸣。"


def _card(kind: str, name: str, *aliases: str) -> CodexCard:
    return CodexCard(name, kind, name, aliases, "Known to the author.", (), "ALWAYS")


def _chapter(
    instructions: str, language: str = "en", words: int = 400, codex: Any = (), **more: Any
) -> CompletionRequest:
    source = ContextInput(
        language=language, project_title="Echoes", genre="", premise="", style_guide="", chapter_title="One", plan="",
        previous_text="", instructions=instructions, target_words=words, codex=tuple(codex), window_tokens=200_000,
    )  # fmt: skip
    compiled = compile_context(source)
    return CompletionRequest("demo-writer", compiled.messages, compiled.max_output_tokens, **more)


async def _write(request: CompletionRequest, **options: Any) -> Reading:
    return await read(DemoProvider(**{"chunk_delay_s": 0.0, **options}).stream(request))


def _chunks(reading: Reading) -> list[str]:
    return [event.text for event in reading.events if isinstance(event, TextChunk)]


async def test_equal_requests_give_equal_text() -> None:
    first, second = await _write(_chapter(EN)), await _write(_chapter(EN))
    assert first.events == second.events


async def test_any_difference_in_a_request_gives_another_text() -> None:
    texts = {(await _write(_chapter(EN, temperature=heat))).text for heat in (None, 0.1, 0.2, 0.3)}
    assert len(texts) == 4


@pytest.mark.parametrize(("instructions", "language"), [(EN, "en"), (ZH, "zh"), (EN, "zh"), (ZH, "en")])
async def test_it_writes_in_the_language_of_the_novel(instructions: str, language: str) -> None:
    text = (await _write(_chapter(instructions, language))).text.split("\n\n", 1)[1]
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
    assert (chinese > 100, chinese == 0) == (language == "zh", language == "en")


@pytest.mark.parametrize(("instructions", "chinese"), [("tell me of the sea", False), ("讲讲海", True), ("", False)])
async def test_a_bare_prompt_is_answered_in_its_own_language(instructions: str, chinese: bool) -> None:
    text = (await _write(CompletionRequest("demo-writer", (ChatMessage("user", instructions),)))).text
    assert any("\u4e00" <= character <= "\u9fff" for character in text.split("\n\n")[-1]) is chinese


@pytest.mark.parametrize(
    ("instructions", "language", "words"),
    [
        (EN, "en", "Josse hides the brass key under the ferry"),
        (ZH, "zh", "米拉在雾里听见钥匙在嗡鸣"),
        ("Please write a scene about rain on the signal house. Keep it short.", "en", "rain on the signal house"),
        ("Go.", "en", "Go"),
        ("{hero} and {0} %s", "en", "{hero} and {0} %s"),
        ("One two three four five, six seven eight nine ten eleven twelve of the", "en", "One two three four five"),
        ("a1 b2 c3 d4 e5 f6 g7 h8 i9 j10 of the thirteen", "en", "a1 b2 c3 d4 e5 f6 g7 h8 i9 j10"),
    ],
)  # fmt: skip
async def test_the_first_paragraph_takes_up_the_authors_words(instructions: str, language: str, words: str) -> None:
    opening = (await _write(_chapter(instructions, language))).text.split("\n\n")[0]
    assert f"“{words}" in opening


@pytest.mark.parametrize("seed", range(5))
async def test_the_codex_is_on_stage_and_strangers_are_not(seed: int) -> None:
    codex = [
        _card("CHARACTER", "Josse"), _card("CHARACTER", "Mira Vale", "Mira", "the Lamplighter"),
        _card("PLACE", "The Lantern Quarter"), _card("ITEM", "Brass Key"), _card("RULE", "Echoes"),
    ]  # fmt: skip
    text = (await _write(_chapter(EN, words=1_500, codex=codex, temperature=seed / 10))).text
    assert all(name in text for name in ("Josse", "Mira Vale", "Lantern Quarter", "Brass Key"))
    assert not [name for name in bank("en").people if name in text]
    assert "the Lamplighter" not in text


async def test_chinese_names_stand_in_chinese_prose() -> None:
    codex = [_card("CHARACTER", "米拉", "小米"), _card("CHARACTER", "闻笛"), _card("PLACE", "灯笼街")]
    text = (await _write(_chapter(ZH, "zh", 800, codex))).text
    assert all(name in text for name in ("米拉", "闻笛", "灯笼街"))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("words", [150, 400, 1_000, 3_000])
async def test_the_length_is_near_the_one_asked_for(language: str, words: int) -> None:
    request = _chapter(ZH if language == "zh" else EN, language, words)
    reading = await _write(request)
    assert word_count(reading.text) == pytest.approx(words, rel=0.2)
    assert estimated_tokens(reading.text) <= (request.max_output_tokens or 0)
    assert reading.finished is not None
    assert reading.finished.reason is FinishReason.STOP


@pytest.mark.parametrize("tokens", [1, 3, 10, 40, 90])
async def test_a_small_limit_is_kept(tokens: int) -> None:
    request = CompletionRequest("demo-writer", (ChatMessage("user", EN),), max_output_tokens=tokens)
    reading = await _write(request)
    whole = reading.text.endswith((".", "”", "!", "?"))
    assert 0 < estimated_tokens(reading.text) <= tokens
    assert reading.finished is not None
    assert reading.finished.reason is (FinishReason.STOP if whole else FinishReason.LENGTH)


async def test_no_sentence_of_a_chapter_is_said_twice() -> None:
    text = (await _write(_chapter(EN, words=900))).text
    sentences = [sentence for sentence in re.split(r"(?<=[.?!”])\s+", text) if len(sentence) > 40]
    assert len(sentences) > 40
    assert len(sentences) == len(set(sentences))


async def test_english_comes_word_by_word_and_chinese_by_one_to_three_characters() -> None:
    english, chinese = await _write(_chapter(EN)), await _write(_chapter(ZH, "zh"))
    assert all(len(chunk.split()) == 1 for chunk in _chunks(english))
    assert {len(chunk) for chunk in _chunks(chinese)} == {1, 2, 3}


async def test_usage_is_an_estimate_and_says_so() -> None:
    request = _chapter(EN)
    reading = await _write(request)
    prompt = "\n".join(message.content for message in request.messages)
    counted = UsageReport(estimated_tokens(prompt), estimated_tokens(reading.text), source=UsageSource.ESTIMATE)
    assert reading.usage == [counted]


@pytest.mark.parametrize("chunks", [1, 7, 200, 5_000])
async def test_a_directive_sets_the_number_of_chunks(chunks: int) -> None:
    reading = await _write(_chapter(f"{EN} [demo:chunks={chunks} delay_ms=0]"))
    assert len(_chunks(reading)) == chunks
    assert "demo:" not in reading.text


async def test_a_directive_alone_leaves_nothing_to_echo() -> None:
    assert "demo" not in (await _write(_chapter("[demo:chunks=50]"))).text


async def test_the_first_chunk_comes_at_once_and_the_others_at_their_pace() -> None:
    began = time.monotonic()
    stream = DemoProvider(chunk_delay_s=5).stream(_chapter("[demo:chunks=3 delay_ms=200]"))
    times = [time.monotonic() - began async for event in stream if isinstance(event, TextChunk)]
    assert times[0] < 0.15 * slowness()
    assert times[-1] >= 0.4


async def test_it_keeps_to_the_channels_time_limits() -> None:
    reading = await _write(_chapter("[demo:chunks=9 delay_ms=60000]"), limits=ProviderLimits(idle_s=0.1))
    assert (reading.failure.code, len(_chunks(reading))) == (ProviderErrorCode.TIMEOUT, 1)


async def test_cancelling_ends_it_at_once() -> None:
    task = asyncio.create_task(_write(_chapter("[demo:chunks=9 delay_ms=20000]")))
    await asyncio.sleep(0.01)
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < slowness()


async def test_another_model_is_not_found() -> None:
    reading = await _write(CompletionRequest("gpt", (ChatMessage("user", "hello"),)))
    assert reading.failure.code is ProviderErrorCode.MODEL_NOT_FOUND


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_slot_of_the_bank_can_be_filled(language: Language) -> None:
    words = bank(language)
    known = {"hero", "other", "place", "elsewhere", "thing", "echo", *words.words}
    everything = [*words.openings, *words.plain_openings, *words.dialogues, *words.closings]
    everything += [sentence for sentences in words.sentences.values() for sentence in sentences]
    used = {slot.split("}")[0] for template in everything for slot in template.split("{")[1:]}
    assert used <= known
    assert len(everything) > 120
