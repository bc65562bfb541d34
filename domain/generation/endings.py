"""How a generation ends, and what to do after a failure: the table of endings as code.

the model stops                        COMPLETED
its length limit                       TRUNCATED(LENGTH)
the hold is used up                    TRUNCATED(BUDGET)
a content filter                       TRUNCATED(CONTENT_FILTER) with text, else FAILED(CONTENT_BLOCKED)
the author cancels                     CANCELLED, text kept
a failure before the first token       another try after a pause, then FAILED with the provider's code
a failure after it                     a new attempt that starts the text again; the last one TRUNCATED(CUT)
no text at all                         FAILED(EMPTY_ANSWER)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from domain.channels.health import BLAMELESS
from domain.generation.entities import AttemptOutcome, GenerationState, TruncationReason
from domain.generation.provider import FinishReason, ProviderError, ProviderErrorCode
from domain.jobs import CRASHES_MAX, FAILURES_MAX

TRIES_MAX = 5
"""Calls within one attempt, all before its first token."""
BACKOFF_S = 0.5
BACKOFF_MAX_S = 20.0


@dataclass(frozen=True, slots=True)
class Ending:
    """`code` and `message` speak to a writer; None where nothing went wrong."""

    state: GenerationState
    outcome: AttemptOutcome
    keeps_text: bool
    truncation: TruncationReason | None = None
    code: str | None = None
    message: str | None = None

    @property
    def billed(self) -> bool:
        """Text that the author keeps is paid for; everything else is the operator's loss."""
        return self.keeps_text


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Call once more within the attempt: nobody has seen a token."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """Start the text again in a new attempt: readers have seen a part that will never be finished."""

    delay_s: float
    reason: str


def completed() -> Ending:
    return Ending(GenerationState.COMPLETED, AttemptOutcome.COMPLETED, keeps_text=True)


def truncated(reason: TruncationReason, code: str | None = None, message: str | None = None) -> Ending:
    outcome = AttemptOutcome.CUT if reason is TruncationReason.CUT else AttemptOutcome.TRUNCATED
    return Ending(GenerationState.TRUNCATED, outcome, keeps_text=True, truncation=reason, code=code, message=message)


def cancelled(text: str) -> Ending:
    return Ending(GenerationState.CANCELLED, AttemptOutcome.CANCELLED, keeps_text=bool(text.strip()))


def failed(code: str, message: str, outcome: AttemptOutcome = AttemptOutcome.FAILED) -> Ending:
    return Ending(GenerationState.FAILED, outcome, keeps_text=False, code=code, message=message)


def after_finish(reason: FinishReason, text: str) -> Ending:
    match reason:
        case FinishReason.CONTENT_FILTER if not text.strip():
            return failed(ProviderErrorCode.CONTENT_BLOCKED, "The model's content filter refused this chapter.")
        case FinishReason.CONTENT_FILTER:
            return truncated(TruncationReason.CONTENT_FILTER)
        case _ if not text.strip():
            return failed("EMPTY_ANSWER", "The model answered without any text. Try again or change the instructions.")
        case FinishReason.LENGTH:
            return truncated(TruncationReason.LENGTH)
        case FinishReason.STOP:
            return completed()
        case FinishReason.TOOL_CALLS:
            return failed(ProviderErrorCode.INVALID_RESPONSE, "The model asked for a tool that it was not offered.")
        case _:
            assert_never(reason)


def after_error(
    error: ProviderError, *, text: str, tries: int, failures: int, chance: float, elsewhere: bool = False
) -> TryAgain | NewAttempt | Ending:
    """What follows a failed call. Blanks are no text to keep, but readers have seen them.

    `tries` counts the calls of this attempt, `failures` the attempts that failed before it; `chance` in [0, 1) is
    the jitter's dice. `elsewhere` says that another channel can be taken, which needs no pause.
    """
    if elsewhere and error.code not in BLAMELESS:
        if not text and tries < TRIES_MAX:
            return TryAgain(0.0)
        if text and failures + 1 < FAILURES_MAX:
            return NewAttempt(0.0, error.code)
    if error.retryable and not text and tries < TRIES_MAX:
        return TryAgain(_delay_s(error, tries, chance))
    if error.retryable and text and failures + 1 < FAILURES_MAX:
        return NewAttempt(_delay_s(error, failures + 1, chance), error.code)
    if not text.strip():
        return failed(error.code, error.message)
    blocked = error.code is ProviderErrorCode.CONTENT_BLOCKED
    reason = TruncationReason.CONTENT_FILTER if blocked else TruncationReason.CUT
    return truncated(reason, error.code, error.message)


def _delay_s(error: ProviderError, tries: int, chance: float) -> float:
    """Exponential with full jitter above a half; the provider's own word wins up to the cap."""
    if error.retry_after_s is not None:
        return min(error.retry_after_s, BACKOFF_MAX_S)
    return float(min(BACKOFF_S * 2 ** (tries - 1), BACKOFF_MAX_S) * (0.5 + chance / 2))


def after_crash(*, crashes: int, cancel_requested: bool, text: str) -> Ending | None:
    """What the sweeper does with a job whose worker died: None puts it back into the queue."""
    if cancel_requested:
        return cancelled(text)
    if crashes >= CRASHES_MAX:
        return failed("WORKER_CRASHED", "Writing stopped again and again on our side.", AttemptOutcome.CRASHED)
    return None
