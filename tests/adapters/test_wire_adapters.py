"""What every adapter to a server promises, shown on real sockets against servers that misbehave."""

from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import aclosing
from typing import Any

import pytest

from domain.generation.provider import (
    FinishReason,
    ProviderErrorCode,
    ProviderLimits,
    ReasoningChunk,
    TextChunk,
    UsageSource,
)
from tests.adapters.calls import KEY, SYSTEM, USER, Wire, completion, read
from tests.fakes.behaviour import Behaviour, expected_text
from tests.fakes.wire import closed_port
from tests.pace import slowness


async def test_a_whole_text_arrives_word_for_word_with_its_counts_and_its_end(wire: Wire) -> None:
    reading = await wire.read("ok")
    assert reading.text == expected_text(20)
    assert reading.usage == [wire.dialect.usage]
    assert reading.usage[0].source is UsageSource.PROVIDER_FINAL
    assert reading.finished is not None
    assert (reading.finished.reason, reading.finished.upstream_request_id) == (FinishReason.STOP, "req-1")
    assert reading.error is None


async def test_every_token_is_an_event_of_its_own(wire: Wire) -> None:
    reading = await wire.read("ok:tokens=7")
    assert [event.text for event in reading.events if isinstance(event, TextChunk)] == [
        f"w{number:04d} " for number in range(1, 8)
    ]


async def test_the_authors_words_reach_the_provider_verbatim(wire: Wire) -> None:
    await read(wire.provider().stream(completion(max_output_tokens=777, temperature=0.4)))
    body = wire.fake.exchanges[0].body
    assert wire.fake.prompt(body) == f"{SYSTEM} {USER}"
    assert wire.fake.asked(body) == {"length": 777, "temperature": 0.4}


async def test_a_temperature_is_as_high_as_the_firm_takes_it(wire: Wire) -> None:
    await read(wire.provider().stream(completion(temperature=2.0)))
    most = {"anthropic": 1.0, "dashscope": 1.99}.get(wire.firm, 2.0)
    assert wire.fake.asked(wire.fake.exchanges[0].body)["temperature"] == most


async def test_settings_that_were_not_asked_for_are_not_sent(wire: Wire) -> None:
    await read(wire.provider().stream(completion()))
    # Anthropic's protocol demands a length.
    demanded = {"length": 4_096} if wire.firm == "anthropic" else {}
    assert wire.fake.asked(wire.fake.exchanges[0].body) == demanded


@pytest.mark.parametrize("model", ["status:status=503", "status:status=429,retry_after=0", "reset", "cut"])
async def test_a_failing_call_is_sent_once(wire: Wire, model: str) -> None:
    await wire.read(model)
    assert len(wire.fake.exchanges) == 1


async def test_a_provider_that_recovers_answers_the_third_call(wire: Wire) -> None:
    wire.fake.behaviour = Behaviour(mode="status", status=429, times=2)
    provider = wire.provider()
    readings = [await read(provider.stream(completion())) for _ in range(3)]
    assert [reading.error and reading.error.status for reading in readings] == [429, 429, None]
    assert readings[2].text == expected_text(20)


async def test_thirty_calls_at_once_do_not_mix(wire: Wire) -> None:
    provider = wire.provider()
    calls = [read(provider.stream(completion(f"ok:tokens={count},delay_ms=1"))) for count in range(1, 31)]
    assert [reading.text for reading in await asyncio.gather(*calls)] == [expected_text(n) for n in range(1, 31)]


# Streams that are odd, and whole all the same.


async def test_events_and_characters_split_between_packets_arrive_whole(wire: Wire) -> None:
    assert (await wire.read("split:script=zh")).text == expected_text(20, "zh")


async def test_events_without_choices_change_nothing(wire: Wire) -> None:
    reading = await wire.read("empty_choices")
    assert (reading.text, reading.error) == (expected_text(20), None)


async def test_a_finish_reason_sent_twice_ends_the_stream_once(wire: Wire) -> None:
    reading = await wire.read("duplicate_finish")
    assert (reading.text, type(reading.events[-1]).__name__) == (expected_text(20), "Finished")
    assert [type(event).__name__ for event in reading.events].count("Finished") == 1


async def test_without_counts_there_is_no_usage_report(wire: Wire) -> None:
    reading = await wire.read("no_usage")
    assert (reading.usage, reading.error) == ([], None)


async def test_counts_of_zero_for_a_written_text_are_no_counts(wire: Wire) -> None:
    assert (await wire.read("zero_usage")).usage == []


async def test_a_break_after_the_finish_reason_loses_no_text(wire: Wire) -> None:
    reading = await wire.read("late_cut")
    assert (reading.text, reading.error) == (expected_text(20), None)


async def test_reasoning_is_kept_apart_from_the_text(wire: Wire) -> None:
    reading = await wire.read("reasoning")
    assert (reading.reasoning, reading.text) == ("First I think. ", expected_text(20))
    assert isinstance(reading.events[0], ReasoningChunk)


async def test_halved_characters_are_joined_and_control_characters_dropped(wire: Wire) -> None:
    assert (await wire.read("surrogates")).text == "a😀bc"


@pytest.mark.parametrize(
    ("mode", "reason"), [("length", FinishReason.LENGTH), ("content_filter", FinishReason.CONTENT_FILTER)]
)
async def test_the_providers_reason_to_stop_is_told(wire: Wire, mode: str, reason: FinishReason) -> None:
    reading = await wire.read(mode)
    assert reading.finished is not None
    assert (reading.finished.reason, reading.text) == (reason, expected_text(20))


async def test_an_empty_answer_is_told_as_it_came(wire: Wire) -> None:
    reading = await wire.read("empty")
    assert (reading.text, reading.error) == ("", None)


# Streams that break.

BREAKS = {
    "cut": ProviderErrorCode.CUT,
    "eof": ProviderErrorCode.CUT,
    "eager_finish": ProviderErrorCode.CUT,
    "garbage": ProviderErrorCode.INVALID_RESPONSE,
    "broken_json": ProviderErrorCode.INVALID_RESPONSE,
    "foreign": ProviderErrorCode.INVALID_RESPONSE,
    "bad_utf8": ProviderErrorCode.INVALID_RESPONSE,
    "huge_event": ProviderErrorCode.INVALID_RESPONSE,
    "error_frame:code=data_inspection_failed": ProviderErrorCode.CONTENT_BLOCKED,
    "error_frame:code=DataInspectionFailed": ProviderErrorCode.CONTENT_BLOCKED,
    "error_frame:code=content_filter": ProviderErrorCode.CONTENT_BLOCKED,
    "error_frame:code=server_error": ProviderErrorCode.OVERLOADED,
    "error_frame:code=502": ProviderErrorCode.OVERLOADED,
    "error_frame:code=rate_limit_exceeded": ProviderErrorCode.RATE_LIMITED,
    "error_frame:code=nobody_knows": ProviderErrorCode.UNKNOWN,
}


@pytest.mark.parametrize("model", BREAKS)
async def test_a_broken_stream_keeps_what_came_and_never_finishes(wire: Wire, model: str) -> None:
    reading = await wire.read(model)
    assert (reading.failure.code, reading.text) == (BREAKS[model], expected_text(5))
    assert reading.finished is None


async def test_an_unknown_finish_reason_is_not_taken_for_an_end(wire: Wire) -> None:
    reading = await wire.read("odd_finish:code=tired")
    assert (reading.failure.code, reading.finished) == (ProviderErrorCode.INVALID_RESPONSE, None)


# Answers that are no stream.

REFUSALS: dict[str, tuple[ProviderErrorCode, int | None]] = {
    "html": (ProviderErrorCode.INVALID_RESPONSE, 200),
    "json": (ProviderErrorCode.INVALID_RESPONSE, 200),
    "json:code=Arrearage": (ProviderErrorCode.QUOTA_EXHAUSTED, 200),
    "gzip": (ProviderErrorCode.INVALID_RESPONSE, 200),
    "redirect": (ProviderErrorCode.INVALID_RESPONSE, 307),
    "reset": (ProviderErrorCode.UNREACHABLE, None),
    "status:status=400": (ProviderErrorCode.BAD_REQUEST, 400),
    "status:status=400,code=context_length_exceeded": (ProviderErrorCode.CONTEXT_TOO_LONG, 400),
    "status:status=400,code=content_filter": (ProviderErrorCode.CONTENT_BLOCKED, 400),
    "status:status=401": (ProviderErrorCode.AUTHENTICATION, 401),
    "status:status=402": (ProviderErrorCode.QUOTA_EXHAUSTED, 402),
    "status:status=403": (ProviderErrorCode.AUTHENTICATION, 403),
    "status:status=404": (ProviderErrorCode.MODEL_NOT_FOUND, 404),
    "status:status=422": (ProviderErrorCode.BAD_REQUEST, 422),
    "status:status=429": (ProviderErrorCode.RATE_LIMITED, 429),
    "status:status=429,code=insufficient_quota": (ProviderErrorCode.QUOTA_EXHAUSTED, 429),
    "status:status=429,code=Throttling.AllocationQuota": (ProviderErrorCode.RATE_LIMITED, 429),
    "status:status=500": (ProviderErrorCode.OVERLOADED, 500),
    "status:status=502": (ProviderErrorCode.OVERLOADED, 502),
    "status:status=503": (ProviderErrorCode.OVERLOADED, 503),
    "status:status=504": (ProviderErrorCode.TIMEOUT, 504),
    "status:status=529": (ProviderErrorCode.OVERLOADED, 529),
}


@pytest.mark.parametrize("model", REFUSALS)
async def test_a_refused_call_has_a_code_and_no_text(wire: Wire, model: str) -> None:
    reading = await wire.read(model)
    assert ((reading.failure.code, reading.failure.status), reading.events) == (REFUSALS[model], [])


async def test_a_compressed_stream_is_not_unfolded(wire: Wire) -> None:
    assert (await wire.read("gzip")).failure.detail == "HTTP 200; compressed with gzip"


async def test_a_failure_says_who_to_ask_for(wire: Wire) -> None:
    reading = await wire.read("status:status=500,message=Out of tape.")
    assert reading.failure.upstream_request_id == (wire.fake.REQUEST_ID_HEADER and "req-fault")
    assert reading.failure.detail.endswith("Out of tape.")


async def test_a_closed_port_is_unreachable(wire: Wire) -> None:
    reading = await wire.read("ok", base_url=f"http://127.0.0.1:{closed_port()}/v1")
    assert (reading.failure.code, reading.failure.retryable) == (ProviderErrorCode.UNREACHABLE, True)


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1/v1", "not an address", "http://127.0.0.1:99999/v1"])
async def test_an_address_that_is_none_fails_like_one_that_does_not_answer(wire: Wire, url: str) -> None:
    reading = await wire.read("ok", base_url=url)
    assert reading.failure.code in (ProviderErrorCode.UNREACHABLE, ProviderErrorCode.BAD_REQUEST)


@pytest.mark.parametrize(("setting", "low", "high"), [("7", 7, 7), ("1.5", 1.5, 1.5), ("date+30", 27, 31)])
async def test_the_providers_own_pause_is_passed_on(wire: Wire, setting: str, low: float, high: float) -> None:
    reading = await wire.read(f"status:status=429,retry_after={setting}")
    assert reading.failure.retry_after_s is not None
    assert low <= reading.failure.retry_after_s <= high


# Time.

HASTY = ProviderLimits(connect_s=1, first_token_s=0.2, idle_s=0.2, total_s=5)


@pytest.mark.parametrize("mode", ["hang", "silent", "keepalive"])
async def test_a_provider_that_does_not_begin_is_given_up(wire: Wire, mode: str) -> None:
    reading = await wire.read(mode, limits=HASTY)
    assert reading.failure.code is ProviderErrorCode.TIMEOUT
    assert reading.failure.detail == "first_token_s of 0.2 s reached"


async def test_a_provider_that_falls_silent_is_given_up_and_its_text_kept(wire: Wire) -> None:
    reading = await wire.read("stall", limits=HASTY)
    assert (reading.failure.detail, reading.text) == ("idle_s of 0.2 s reached", expected_text(5))


async def test_a_provider_that_goes_on_for_ever_is_stopped_by_the_clock(wire: Wire) -> None:
    limits = ProviderLimits(connect_s=1, first_token_s=1, idle_s=1, total_s=0.3)
    reading = await wire.read("endless:delay_ms=5", limits=limits)
    assert (reading.failure.code, reading.failure.detail) == (ProviderErrorCode.TIMEOUT, "total_s of 0.3 s reached")


async def test_a_provider_that_goes_on_for_ever_is_stopped_by_the_length(wire: Wire) -> None:
    reading = await wire.read("endless", characters_max=100)
    assert reading.finished is not None
    assert (reading.finished.reason, reading.text) == (FinishReason.LENGTH, expected_text(17)[:100])
    await _disconnected(wire)


async def test_a_slow_reader_is_not_mistaken_for_a_silent_provider(wire: Wire) -> None:
    text = ""
    async for event in wire.provider(limits=HASTY).stream(completion("ok:tokens=2,delay_ms=20")):
        if isinstance(event, TextChunk):
            text += event.text
            await asyncio.sleep(0.25)
    assert text == expected_text(2)


# Stopping.


async def _disconnected(wire: Wire) -> float:
    """When the fake saw the client go."""
    exchange = await wire.fake.exchange()
    async with asyncio.timeout(2):
        await exchange.ended.wait()
    assert (exchange.ending, exchange.ended_at is not None) == ("disconnected", True)
    return exchange.ended_at or 0.0


@pytest.mark.parametrize("model", ["hang", "silent", "stall", "endless:delay_ms=10"])
async def test_cancelling_the_reader_closes_the_socket_at_once(wire: Wire, model: str) -> None:
    first_text = asyncio.Event()

    async def reader() -> None:
        async for _ in wire.provider().stream(completion(model)):
            first_text.set()

    task = asyncio.create_task(reader())
    await wire.fake.exchange()
    if not model.startswith(("hang", "silent")):
        await first_text.wait()
    cancelled_at = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _disconnected(wire) - cancelled_at < 0.5 * slowness()


async def test_leaving_the_loop_closes_the_socket_at_once(wire: Wire) -> None:
    async with aclosing(wire.provider().stream(completion("endless:delay_ms=5"))) as stream:
        async for event in stream:
            if isinstance(event, TextChunk):
                break
    left_at = time.monotonic()
    assert await _disconnected(wire) - left_at < 0.5 * slowness()


@pytest.mark.parametrize("model", ["hang", "stall"])
async def test_a_call_that_ran_out_of_time_leaves_no_socket_open(wire: Wire, model: str) -> None:
    await wire.read(model, limits=HASTY)
    await _disconnected(wire)


# What must not leak.


async def test_neither_the_key_nor_the_prompt_is_in_any_word_of_a_failure(wire: Wire) -> None:
    error = (await wire.read("echo_error")).failure
    told = "".join(traceback.format_exception(error)) + error.message + error.detail + str(error)
    assert error.detail.endswith("bad key [key] for prompt: [prompt]")
    assert not [secret for secret in (KEY, SYSTEM[:20], USER[:10]) if secret in told]


async def test_what_the_provider_sent_is_not_in_the_trace_of_a_failure(wire: Wire) -> None:
    error = (await wire.read("garbage")).failure
    assert "not json" not in "".join(traceback.format_exception(error)) + error.detail


async def test_a_writer_is_never_shown_the_providers_words(wire: Wire) -> None:
    error = (await wire.read("status:status=500,message=Flux capacitor.")).failure
    assert error.message == "The model's provider is having trouble. Try again soon, or choose another model."


async def test_nothing_of_the_environment_is_sent(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign: dict[str, Any] = {
        "OPENAI_API_KEY": "sk-foreign",
        "OPENAI_ADMIN_KEY": "sk-foreign",
        "OPENAI_ORG_ID": "org-foreign",
        "OPENAI_PROJECT_ID": "proj-foreign",
        "OPENAI_CUSTOM_HEADERS": "X-Foreign: foreign\nAuthorization: Bearer foreign",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/foreign",
        "DASHSCOPE_API_KEY": "sk-foreign",
        "DASHSCOPE_WORKSPACE": "foreign",
        "DASHSCOPE_HTTP_BASE_URL": "http://127.0.0.1:9/foreign",
        "AZURE_OPENAI_API_KEY": "sk-foreign",
        "AZURE_OPENAI_AD_TOKEN": "foreign",
        "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9/foreign",
        "OPENAI_API_VERSION": "foreign",
        "ANTHROPIC_API_KEY": "sk-foreign",
        "ANTHROPIC_AUTH_TOKEN": "foreign",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/foreign",
        "GOOGLE_API_KEY": "foreign",
        "GEMINI_API_KEY": "foreign",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    assert (await wire.read("ok")).error is None
    headers = wire.fake.exchanges[0].headers
    assert "foreign" not in str(headers)
    assert wire.keys_sent() == [wire.key()]
    assert not [name for name in headers if "stainless" in name.lower() or "sdk" in name.lower()]


async def test_without_a_key_none_is_sent(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "DASHSCOPE_API_KEY", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "sk-foreign")
    assert (await wire.read("ok", api_key=None)).error is None
    assert wire.keys_sent() == []


async def test_a_key_that_no_header_can_hold_is_refused_without_a_call(wire: Wire) -> None:
    error = (await wire.read("ok", api_key="密钥")).failure
    assert (error.code, wire.fake.exchanges) == (ProviderErrorCode.AUTHENTICATION, [])
    assert "密钥" not in error.detail


async def test_blanks_around_a_pasted_key_are_dropped(wire: Wire) -> None:
    await wire.read("ok", api_key=f" {KEY}\n")
    assert wire.keys_sent() == [wire.key()]
