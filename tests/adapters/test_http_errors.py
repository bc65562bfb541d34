"""One failure in, one `ProviderError` out."""

from __future__ import annotations

import pytest
from httpx_sse import SSEError

from adapters.http_errors import SENTENCES, Failures, HttpFailure, LimitReached, retry_after_s
from domain.generation.provider import ProviderError, ProviderErrorCode

PROMPT = "Mira counts the lamps of the quay, and there is one too many."
SENT = ("You write.", f"{PROMPT}\n她数了数码头的灯，多了一盏。")


def _explained(exc: BaseException, *, opened: bool = True, api_key: str | None = "secret-key") -> ProviderError:
    return Failures(SENT, api_key).explain(exc, opened=opened)


def test_every_code_has_a_sentence_for_a_writer() -> None:
    assert set(SENTENCES) == set(ProviderErrorCode)
    for sentence in SENTENCES.values():
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ('{"error": {"code": "model_not_found", "message": "x"}}', 404, "MODEL_NOT_FOUND"),
        ('{"error": {"type": "insufficient_quota", "code": null}}', 429, "QUOTA_EXHAUSTED"),
        ('{"error": {"code": 429, "message": "You exceeded your current quota"}}', 429, "QUOTA_EXHAUSTED"),
        ('{"error": {"message": "The maximum context length is 8192 tokens", "code": 400}}', 400, "CONTEXT_TOO_LONG"),
        ('{"error": {"type": "exceed_context_size_error", "code": 400}}', 400, "CONTEXT_TOO_LONG"),
        ('{"error": "model \'x\' not found"}', 404, "MODEL_NOT_FOUND"),
        ('{"error": {"status": "RESOURCE_EXHAUSTED", "code": 429}}', 429, "RATE_LIMITED"),
        ('[{"error": {"status": "UNAVAILABLE", "code": 503}}]', 503, "OVERLOADED"),
        ('{"detail": "Not authenticated"}', 403, "AUTHENTICATION"),
        ('{"code": "AllocationQuota.FreeTierOnly", "message": "x"}', 403, "QUOTA_EXHAUSTED"),
        ('{"code": "InternalError.Algo", "message": "x"}', 400, "OVERLOADED"),
        ('{"error": {"code": "1301"}}', 400, "CONTENT_BLOCKED"),
        ("<html>Bad gateway</html>", 502, "OVERLOADED"),
        ("", 418, "BAD_REQUEST"),
        ("null", 503, "OVERLOADED"),
        ("[" * 100_000, 500, "OVERLOADED"),
        ('{"error": {"code": {"deep": []}, "message": 7}}', 400, "BAD_REQUEST"),
    ],
)  # fmt: skip
def test_a_providers_own_code_says_more_than_its_status(body: str, status: int, code: str) -> None:
    error = _explained(HttpFailure(status, {}, body.encode(), "not a success"))
    assert (error.code, error.status) == (ProviderErrorCode(code), status)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "999999999"}, 86_400.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_pause_is_read_from_seconds_milliseconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now_s=10.0) == seconds


@pytest.mark.parametrize(
    "said",
    [
        f"flagged: {PROMPT}",
        "flagged: counts the lamps of the quay, and",
        "内容不合规：她数了数码头的灯，多了一盏。",
        "flagged: Mira   counts the\nlamps of the quay, and",
    ],
)
def test_a_quoted_prompt_is_cut_from_the_detail(said: str) -> None:
    detail = Failures(SENT, None).redact(said)
    assert detail in ("flagged: [prompt]", "内容不合规：[prompt]", "flagged:[prompt]")


@pytest.mark.parametrize(
    "said", ["bad key secret-key!", "bad key sk-abcdef123456!", "bad key sk-ab****wxyz!", "bad key Bearer xyz!"]
)
def test_a_quoted_key_is_cut_from_the_detail(said: str) -> None:
    detail = Failures(SENT, "secret-key").redact(said)
    assert detail.startswith("bad key [key]")
    assert not [part for part in ("secret", "abcdef", "wxyz", "xyz") if part in detail]


def test_a_long_detail_is_cut() -> None:
    assert len(Failures(SENT, None).redact("x" * 5_000)) == 400


def test_a_break_before_the_answer_is_no_cut() -> None:
    codes = [_explained(ConnectionResetError(), opened=opened).code for opened in (False, True)]
    assert codes == [ProviderErrorCode.UNREACHABLE, ProviderErrorCode.CUT]


def test_a_bug_below_is_unknown_and_tells_its_class_only() -> None:
    error = _explained(RuntimeError(f"{PROMPT} secret-key"))
    assert (error.code, error.detail) == (ProviderErrorCode.UNKNOWN, "RuntimeError")


def test_our_own_clock_is_a_timeout() -> None:
    error = _explained(LimitReached("idle_s", 30))
    assert (error.code, error.detail) == (ProviderErrorCode.TIMEOUT, "idle_s of 30 s reached")


def test_a_group_of_failed_addresses_is_one_failure() -> None:
    group = ExceptionGroup("all failed", [ConnectionRefusedError("a"), ConnectionRefusedError("b")])
    assert _explained(group, opened=False).code is ProviderErrorCode.UNREACHABLE


def test_a_stream_of_another_type_is_an_invalid_response() -> None:
    assert _explained(SSEError("Expected text/event-stream")).code is ProviderErrorCode.INVALID_RESPONSE
