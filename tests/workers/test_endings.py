"""Every way in which a provider ends a text: never a wrong text, never a part that is called the whole."""

from __future__ import annotations

import pytest

from domain.events import EventType
from domain.generation.provider import ProviderError, ProviderErrorCode
from tests.fakes.behaviour import expected_text
from tests.workers.desk import CREDIT_MICROS, Desk

WHOLE, PART = expected_text(20), expected_text(5)
IN_THE_MIDDLE = (
    "cut", "eof", "stall", "garbage", "broken_json", "foreign", "bad_utf8", "error_frame", "huge_event", "eager_finish",
)  # fmt: skip
BEFORE_THE_FIRST_TOKEN = {
    "status:status=429,retry_after=0": "RATE_LIMITED",
    "status:status=500": "OVERLOADED",
    "status:status=503": "OVERLOADED",
    "hang": "TIMEOUT",
    "silent": "TIMEOUT",
    "keepalive": "TIMEOUT",
    "reset": "UNREACHABLE",
    "html": "INVALID_RESPONSE",
    "json": "INVALID_RESPONSE",
    "gzip": "INVALID_RESPONSE",
    "cut:after=0": "CUT",
    "eof:after=0": "CUT",
    "broken_json:after=0": "INVALID_RESPONSE",
}
FINAL = {
    "status:status=401": "AUTHENTICATION",
    "status:status=404": "MODEL_NOT_FOUND",
    "status:status=400,code=context_length_exceeded": "CONTEXT_TOO_LONG",
    "status:status=429,code=insufficient_quota": "QUOTA_EXHAUSTED",
    "echo_error": "BAD_REQUEST",
}


async def test_a_model_that_stops_completes_the_text(desk: Desk) -> None:
    one = await desk.write(instructions="A storm arrives; 梅 is afraid.")
    assert (one.generation.state, one.job.state, one.job.progress) == ("COMPLETED", "SUCCEEDED", 100)
    assert (one.version, one.outcomes) == (WHOLE, ["COMPLETED"])
    kinds = [event.type for event in one.events]
    assert kinds[:2] == [EventType.CONTEXT, EventType.STARTED]
    assert set(kinds[2:-1]) == {EventType.DELTA}
    [attempt] = one.attempts
    assert (attempt.input_tokens, attempt.output_tokens, attempt.cached_input_tokens) == (12, 20, 4)
    assert (attempt.usage_source, attempt.finish_reason) == ("PROVIDER_FINAL", "STOP")
    assert attempt.started_at <= attempt.first_token_at <= attempt.ended_at
    prompt = desk.fake.prompt(desk.fake.exchanges[0].body)
    assert "A storm arrives; 梅 is afraid." in prompt


@pytest.mark.parametrize("mode", ["split", "empty_choices", "reasoning", "duplicate_finish", "late_cut", "no_usage"])
async def test_what_is_odd_and_yet_whole_completes_with_the_exact_text(desk: Desk, mode: str) -> None:
    one = await desk.write(mode)
    assert (one.generation.state, one.version, one.outcomes) == ("COMPLETED", WHOLE, ["COMPLETED"])


async def test_chinese_arrives_as_it_was_sent(desk: Desk) -> None:
    one = await desk.write("split:script=zh")
    assert one.version == expected_text(20, "zh")


@pytest.mark.parametrize("mode", IN_THE_MIDDLE)
async def test_a_break_in_the_middle_is_mended_by_a_second_attempt(desk: Desk, mode: str) -> None:
    one = await desk.write(f"{mode}:times=1")
    assert (one.generation.state, one.version, one.outcomes) == ("COMPLETED", WHOLE, ["CUT", "COMPLETED"])
    assert [event.type for event in one.events if event.position.attempt == 2][:2] == [
        EventType.RESET, EventType.STARTED]  # fmt: skip
    assert one.attempts[0].text == PART
    assert one.attempts[0].error_code is not None
    assert [billed for _, billed, _ in one.usage] == [False, True]


@pytest.mark.parametrize("mode", IN_THE_MIDDLE)
async def test_a_provider_that_breaks_every_time_leaves_a_part_that_says_so(desk: Desk, mode: str) -> None:
    one = await desk.write(mode)
    assert (one.generation.state, one.job.state, one.generation.truncation_reason) == ("TRUNCATED", "TRUNCATED", "CUT")
    assert (one.version, one.outcomes) == (PART, ["CUT", "CUT", "CUT"])
    assert one.generation.error_code is not None
    assert len(desk.fake.exchanges) == 3
    assert [billed for _, billed, _ in one.usage] == [False, False, True]


@pytest.mark.parametrize(("model", "code"), BEFORE_THE_FIRST_TOKEN.items(), ids=BEFORE_THE_FIRST_TOKEN)
async def test_a_provider_that_never_begins_is_asked_five_times_and_costs_nothing(
    desk: Desk, model: str, code: str
) -> None:
    one = await desk.write(model)
    assert (one.generation.state, one.generation.error_code, one.version) == ("FAILED", code, None)
    assert (one.outcomes, one.attempts[0].error_code) == (["FAILED"], code)
    assert len(desk.fake.exchanges) == 5
    assert sum(code in line for line in one.attempts[0].trace) == 5
    assert (one.books.available, one.books.spent) == (CREDIT_MICROS, 0)


@pytest.mark.parametrize(("model", "code"), BEFORE_THE_FIRST_TOKEN.items(), ids=BEFORE_THE_FIRST_TOKEN)
async def test_a_provider_that_begins_late_completes_within_one_attempt(desk: Desk, model: str, code: str) -> None:
    separator = "," if ":" in model else ":"
    one = await desk.write(f"{model}{separator}times=2")
    assert (one.generation.state, one.version, one.outcomes) == ("COMPLETED", WHOLE, ["COMPLETED"])
    assert len(desk.fake.exchanges) == 3
    assert EventType.RESET not in {event.type for event in one.events}


@pytest.mark.parametrize(("model", "code"), FINAL.items(), ids=FINAL)
async def test_what_no_repetition_can_mend_is_not_repeated(desk: Desk, model: str, code: str) -> None:
    one = await desk.write(model, instructions="the secret plan of the chapter")
    assert (one.generation.state, one.generation.error_code, one.version) == ("FAILED", code, None)
    assert len(desk.fake.exchanges) == 1
    told = " ".join([one.generation.error_message, *one.attempts[0].trace])
    assert "sk-fake" not in told
    assert "the secret plan" not in told


@pytest.mark.parametrize(
    ("model", "state", "reason", "code", "version"),
    [
        ("length", "TRUNCATED", "LENGTH", None, WHOLE),
        ("content_filter", "TRUNCATED", "CONTENT_FILTER", None, WHOLE),
        ("content_filter:tokens=0", "FAILED", None, "CONTENT_BLOCKED", None),
        ("error_frame:code=content_filter", "TRUNCATED", "CONTENT_FILTER", "CONTENT_BLOCKED", PART),
        ("empty", "FAILED", None, "EMPTY_ANSWER", None),
    ],
)
async def test_a_limit_or_a_filter_ends_the_text_as_what_it_is(
    desk: Desk, model: str, state: str, reason: str | None, code: str | None, version: str | None
) -> None:
    one = await desk.write(model)
    assert (one.generation.state, one.generation.truncation_reason) == (state, reason)
    assert (one.generation.error_code, one.version) == (code, version)
    assert (one.books.spent > 0) is (version is not None)


async def test_a_model_that_never_ends_is_stopped_when_its_credit_is_used_up(desk: Desk) -> None:
    one = await desk.write("endless:delay_ms=1", target_words=50)
    assert (one.generation.state, one.generation.truncation_reason) == ("TRUNCATED", "BUDGET")
    assert one.version is not None
    assert expected_text(9_999).startswith(one.version)
    assert (await desk.fake.exchange(1)).ending == "disconnected"
    [hold] = await desk._rows("select micros from app.holds where tenant_id = :t")
    assert one.books.spent == hold.micros
    assert one.books.overrun > 0


async def test_a_channel_that_was_switched_off_fails_in_words(desk: Desk) -> None:
    job_id = await desk.start()

    def off(_: object) -> None:
        raise ProviderError(ProviderErrorCode.MODEL_NOT_FOUND, "The model's channel is no longer set up.")

    desk.worker.provider_for = off  # type: ignore[assignment]
    await desk.run(job_id)
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.generation.error_code) == ("FAILED", "MODEL_NOT_FOUND")


async def test_the_chapter_is_free_again_after_every_ending(desk: Desk) -> None:
    for model in (None, "empty", "length"):
        await desk.start(model)
        job_id = await desk.start(model)
        [row] = await desk._rows("select status from app.outline_nodes where tenant_id = :t")
        assert row.status == "GENERATING"
        await desk.cancel(job_id)
    for row in await desk._rows("select id from app.jobs where tenant_id = :t and state = 'QUEUED'"):
        await desk.run(row.id)
    [row] = await desk._rows("select status from app.outline_nodes where tenant_id = :t")
    assert row.status == "PLANNED"
