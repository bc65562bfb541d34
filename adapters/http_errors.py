"""Turns any failed call into one `ProviderError`.

    HttpFailure          the answer was refused by `http_guard`: a status, a type or a size
    ErrorFrame           the provider reported an error inside a stream that had begun with 200
    LimitReached         our own clock ran out (`frames`)
    anything else        raised by an SDK or by the HTTP library under it

A provider's words go to `detail` only, without the channel's key and without the prompt: providers quote both.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from adapters.address_guard import NotPublic
from adapters.wire_codes import code_for
from domain.generation.provider import ProviderError, ProviderErrorCode

RETRY_AFTER_S_MAX = 86_400.0
DETAIL_CHARACTERS_MAX = 400

SENTENCES: Mapping[ProviderErrorCode, str] = {
    ProviderErrorCode.RATE_LIMITED: "The model is answering too many requests right now. Wait a moment and try again.",
    ProviderErrorCode.OVERLOADED: "The model's provider is having trouble. Try again soon, or choose another model.",
    ProviderErrorCode.TIMEOUT: "The model took too long to answer. Try again, or choose another model.",
    ProviderErrorCode.CUT: "The connection to the model broke off before the text was finished.",
    ProviderErrorCode.INVALID_RESPONSE: "The model's provider sent an answer that could not be read. Try again.",
    ProviderErrorCode.CONTENT_BLOCKED: (
        "The provider's content rules stopped this text. Change the instructions, or choose another model."
    ),
    ProviderErrorCode.CONTEXT_TOO_LONG: (
        "This is more text than the model can take in. Shorten it, or choose a model with more room."
    ),
    ProviderErrorCode.BAD_REQUEST: (
        "The provider did not accept the request. Ask whoever looks after the model channels to check it."
    ),
    ProviderErrorCode.AUTHENTICATION: (
        "The provider did not accept this channel's key. Ask whoever looks after the model channels to check it."
    ),
    ProviderErrorCode.MODEL_NOT_FOUND: "The provider does not offer this model. Choose another model.",
    ProviderErrorCode.QUOTA_EXHAUSTED: (
        "The account with this provider has run out of credit. Choose another model, or ask for a top-up."
    ),
    ProviderErrorCode.UNREACHABLE: "The model's provider could not be reached. Try again, or choose another model.",
    ProviderErrorCode.UNKNOWN: "Something unexpected went wrong while the model was writing. Try again.",
}
NOT_PUBLIC = "The model's server is not on the open internet."

# Both HTTP libraries (the SDKs use different ones) name their errors alike.
_NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL"}
_TOO_SLOW = {"ReadTimeout", "WriteTimeout", "TimeoutException"}
_BROKEN_OFF = {"RemoteProtocolError", "LocalProtocolError", "ReadError", "WriteError", "CloseError", "EndOfStream"}

_KEY_LIKE = re.compile(r"\b(?:sk|key|pk)-[\w*.-]{6,}|\bAIza[\w*-]{6,}|(?i:bearer)\s+\S+")


class HttpFailure(Exception):
    """An answer that is not a stream of text. `body` holds at most its first 64 KiB."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers
        self.body = body
        self.why = why


class ErrorFrame(Exception):
    """The provider's error object, met in the middle of a stream."""

    def __init__(self, body: object) -> None:
        super().__init__("error frame")
        self.body = body


class LimitReached(Exception):
    """`limit` is the name of the `ProviderLimits` field that ran out."""

    def __init__(self, limit: str, seconds: float) -> None:
        super().__init__(f"{limit} of {seconds:g} s reached")
        self.limit = limit


class Failures:
    """Explains the failures of one call. Knows what must not leak: the channel's key and the texts that were sent."""

    def __init__(self, prompt: Sequence[str], api_key: str | None) -> None:
        self._prompt = prompt
        self._api_key = (api_key or "").strip()

    def explain(self, exc: BaseException, *, opened: bool) -> ProviderError:
        """`opened` says whether the provider had begun to answer: a break after that is a cut."""
        while isinstance(exc, BaseExceptionGroup):
            # anyio groups what went wrong with each address of a host; one is as good as another.
            exc = exc.exceptions[0]
        for cause in _chain(exc):
            match cause:
                case ProviderError():
                    return cause
                case HttpFailure():
                    return self._of_http(cause)
                case ErrorFrame():
                    return self.of_body(cause.body)
                case NotPublic():
                    return ProviderError(ProviderErrorCode.UNREACHABLE, NOT_PUBLIC, detail=self.redact(str(cause)))
                case LimitReached():
                    return failure(ProviderErrorCode.TIMEOUT, detail=str(cause))
                case TimeoutError():
                    return failure(ProviderErrorCode.TIMEOUT, detail="the network timed out")
                case _ if code := _transport_code(cause, opened):
                    return failure(code, detail=f"{type(cause).__name__}: {self.redact(str(cause))}")
        return _of_unexpected(exc, opened=opened)

    def of_body(
        self, body: object, *, status: int | None = None, headers: Mapping[str, str] | None = None, why: str = ""
    ) -> ProviderError:
        """From a provider's error object: `{"error": {code, type, message}}`, `{code, message}` or a bare string."""
        error = _error_object(body)
        wire_codes = [str(error[key]) for key in ("code", "type", "status") if error.get(key) not in (None, "")]
        wire_codes = [*_reasons(error), *wire_codes]
        said = error.get("message")
        words = said if isinstance(said, str) else ""
        parts = [f"HTTP {status}" if status else "", why, "/".join(wire_codes), words]
        headers = headers or {}
        return failure(
            code_for(status, wire_codes, words),
            detail=self.redact("; ".join(part for part in parts if part)),
            status=status,
            retry_after_s=_first(retry_after_s(headers), _retry_delay_s(error)),
            upstream_request_id=request_id(headers) or _text(error.get("request_id")),
        )

    def _of_http(self, http: HttpFailure) -> ProviderError:
        body = _json(http.body)
        judged = self.of_body(body, status=http.status, headers=http.headers, why=http.why)
        if http.status < 400 and judged.code in (ProviderErrorCode.UNKNOWN, ProviderErrorCode.BAD_REQUEST):
            # A page or a document where a stream was due: nothing in it says that the request was at fault.
            return failure(
                ProviderErrorCode.INVALID_RESPONSE,
                detail=judged.detail,
                status=http.status,
                upstream_request_id=judged.upstream_request_id,
            )
        return judged

    def redact(self, text: str) -> str:
        text = " ".join(text.split())[: 2 * DETAIL_CHARACTERS_MAX]
        if self._api_key:
            text = text.replace(self._api_key, "[key]")
        text = _KEY_LIKE.sub("[key]", text)
        return _without_prompt(text[:DETAIL_CHARACTERS_MAX], self._prompt)


def failure(
    code: ProviderErrorCode,
    *,
    detail: str = "",
    status: int | None = None,
    retry_after_s: float | None = None,
    upstream_request_id: str | None = None,
) -> ProviderError:
    """A `ProviderError` with the writer's sentence for its code."""
    return ProviderError(
        code,
        SENTENCES[code],
        detail=detail,
        status=status,
        retry_after_s=retry_after_s,
        upstream_request_id=upstream_request_id,
    )


def retry_after_s(headers: Mapping[str, str], *, now_s: float | None = None) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (seconds or an HTTP date); None when absent or absurd."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _bounded(aware.timestamp() - (time.time() if now_s is None else now_s))


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's own id of the exchange, at most 200 characters."""
    for name in ("x-request-id", "request-id", "x-dashscope-request-id"):
        if value := headers.get(name):
            return value[:200]
    return None


def _google_details(error: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Google hangs typed objects onto an error: why it failed, and when to come back."""
    details = error.get("details")
    yield from (item for item in details if isinstance(item, dict)) if isinstance(details, list) else ()


def _reasons(error: Mapping[str, object]) -> list[str]:
    return [reason for item in _google_details(error) if isinstance(reason := item.get("reason"), str)]


def _retry_delay_s(error: Mapping[str, object]) -> float | None:
    """`{"retryDelay": "34s"}` among the details."""
    delays = (item.get("retryDelay") for item in _google_details(error))
    seconds = next((_number(delay.removesuffix("s")) for delay in delays if isinstance(delay, str)), None)
    return None if seconds is None else _bounded(seconds)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), RETRY_AFTER_S_MAX)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error_object(body: object) -> dict[str, object]:
    if isinstance(body, str):
        return {"message": body}
    if isinstance(body, list) and body:
        return _error_object(body[0])
    if not isinstance(body, dict):
        return {}
    inner = body.get("error")
    if isinstance(inner, dict):
        return {"request_id": body.get("request_id"), **inner}
    if isinstance(inner, str):
        return {**body, "message": inner}
    # FastAPI-made servers answer {"detail": "..."}.
    return {**body, "message": body.get("message") or body.get("detail")}


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _transport_code(exc: BaseException, opened: bool) -> ProviderErrorCode | None:
    name = type(exc).__name__
    if name == "SSEError":  # a stream by no name that a stream goes by
        return ProviderErrorCode.INVALID_RESPONSE
    if name in _NEVER_CONNECTED:
        return ProviderErrorCode.UNREACHABLE
    if name in _TOO_SLOW:
        return ProviderErrorCode.TIMEOUT
    if name in _BROKEN_OFF or isinstance(exc, OSError):
        return ProviderErrorCode.CUT if opened else ProviderErrorCode.UNREACHABLE
    return None


def _of_unexpected(exc: BaseException, *, opened: bool) -> ProviderError:
    """Only the class is told: an SDK's own message may quote what was sent or received."""
    name = type(exc).__name__
    if isinstance(exc, ValueError | TypeError | LookupError | AttributeError | ArithmeticError | RecursionError):
        if opened:
            return failure(ProviderErrorCode.INVALID_RESPONSE, detail=f"{name} while reading the stream")
        return failure(ProviderErrorCode.BAD_REQUEST, detail=f"{name} while preparing the request")
    return failure(ProviderErrorCode.UNKNOWN, detail=name)


def _without_prompt(text: str, sent: Sequence[str]) -> str:
    """Cuts `text` where it begins to repeat the prompt: 24 characters alike, or 8 when they are not ASCII."""
    for short in sent:
        if 4 <= len(short) < 24:
            text = text.replace(short, "[prompt]")
    prompt = " ".join(" ".join(sent).split())
    for start in range(len(text)):
        window = text[start : start + 24]
        if not window.isascii():
            window = text[start : start + 8]
        if len(window) >= (24 if window.isascii() else 8) and window in prompt:
            return text[:start] + "[prompt]"
    return text
