"""The table of endings, cell by cell."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from domain.generation.endings import (
    BACKOFF_MAX_S,
    BACKOFF_S,
    TRIES_MAX,
    Ending,
    NewAttempt,
    TryAgain,
    after_crash,
    after_error,
    after_finish,
    cancelled,
    completed,
    failed,
    truncated,
)
from domain.generation.entities import JOB_STATE, AttemptOutcome, GenerationState, TruncationReason
from domain.generation.provider import RETRYABLE, FinishReason, ProviderError, ProviderErrorCode
from domain.jobs import CRASHES_MAX, FAILURES_MAX, JobState

TEXT = "The fog lay on the harbour."
BLANKS = ["", " ", "\n\n", "\u3000\t"]
CODES = list(ProviderErrorCode)
TERMINAL_CODES = [code for code in CODES if code not in RETRYABLE]


def shape(ending: object) -> tuple[str, str, bool, str | None, str | None]:
    """(state, outcome, keeps its text, why it was cut short, code)."""
    assert isinstance(ending, Ending)
    return ending.state, ending.outcome, ending.keeps_text, ending.truncation, ending.code


# A call that finished.


def test_a_call_that_finished_ends_as_the_table_says() -> None:
    ended = {
        (reason.value, text): shape(after_finish(reason, text)) for reason in FinishReason for text in (TEXT, *BLANKS)
    }
    assert ended == {
        ("STOP", TEXT): ("COMPLETED", "COMPLETED", True, None, None),
        ("LENGTH", TEXT): ("TRUNCATED", "TRUNCATED", True, "LENGTH", None),
        ("CONTENT_FILTER", TEXT): ("TRUNCATED", "TRUNCATED", True, "CONTENT_FILTER", None),
        ("TOOL_CALLS", TEXT): ("FAILED", "FAILED", False, None, "INVALID_RESPONSE"),
        **{("TOOL_CALLS", blank): ("FAILED", "FAILED", False, None, "EMPTY_ANSWER") for blank in BLANKS},
        **{("STOP", blank): ("FAILED", "FAILED", False, None, "EMPTY_ANSWER") for blank in BLANKS},
        **{("LENGTH", blank): ("FAILED", "FAILED", False, None, "EMPTY_ANSWER") for blank in BLANKS},
        **{("CONTENT_FILTER", blank): ("FAILED", "FAILED", False, None, "CONTENT_BLOCKED") for blank in BLANKS},
    }


def test_an_ending_without_fault_says_nothing_and_a_failure_says_what_a_writer_can_do() -> None:
    assert completed().message is None
    assert after_finish(FinishReason.LENGTH, TEXT).message is None
    assert after_finish(FinishReason.STOP, "").message == (
        "The model answered without any text. Try again or change the instructions."
    )
    assert after_finish(FinishReason.CONTENT_FILTER, "").message == "The model's content filter refused this chapter."


# A call that failed.


def after(code: ProviderErrorCode, text: str, tries: int = 1, failures: int = 0, **given: float) -> object:
    error = ProviderError(code, f"what {code} means", retry_after_s=given.get("retry_after_s"))
    return after_error(error, text=text, tries=tries, failures=failures, chance=given.get("chance", 0.0))


def test_exactly_these_failures_are_worth_another_call() -> None:
    assert {
        "RATE_LIMITED", "OVERLOADED", "TIMEOUT", "CUT", "INVALID_RESPONSE", "UNREACHABLE", "UNKNOWN",
    } == RETRYABLE  # fmt: skip
    assert set(TERMINAL_CODES) == {
        "CONTENT_BLOCKED", "CONTEXT_TOO_LONG", "BAD_REQUEST", "AUTHENTICATION", "MODEL_NOT_FOUND", "QUOTA_EXHAUSTED",
    }  # fmt: skip
    assert all(ProviderError(code, "").retryable == (code in RETRYABLE) for code in CODES)


CELLS = list(product(CODES, range(1, TRIES_MAX + 2), range(FAILURES_MAX + 1)))
"""The failure, the calls of this attempt so far, and the attempts that failed before it."""


def test_a_failure_before_the_first_token_is_tried_again_while_that_can_help() -> None:
    for code, tries, failures in CELLS:
        following = after(code, "", tries, failures)
        if code in RETRYABLE and tries < 5:
            assert following == TryAgain(0.5 * 2 ** (tries - 1) / 2), (code, tries, failures)
        else:
            assert shape(following) == ("FAILED", "FAILED", False, None, code), (code, tries, failures)


def test_a_failure_after_the_first_token_starts_the_text_again_while_that_can_help() -> None:
    for code, tries, failures in CELLS:
        following = after(code, TEXT, tries, failures)
        if code in RETRYABLE and failures + 1 < 3:
            assert following == NewAttempt(0.5 * 2**failures / 2, code), (code, tries, failures)
        elif code == "CONTENT_BLOCKED":
            assert shape(following) == ("TRUNCATED", "TRUNCATED", True, "CONTENT_FILTER", code), (code, tries, failures)
        else:
            assert shape(following) == ("TRUNCATED", "CUT", True, "CUT", code), (code, tries, failures)


def test_blanks_that_readers_have_seen_start_again_but_are_never_kept_as_a_text() -> None:
    for (code, tries, failures), blank in product(CELLS, BLANKS[1:]):
        following = after(code, blank, tries, failures)
        if code in RETRYABLE and failures + 1 < 3:
            assert following == NewAttempt(0.5 * 2**failures / 2, code), (code, tries, failures, blank)
        else:
            assert shape(following) == ("FAILED", "FAILED", False, None, code), (code, tries, failures, blank)


def test_the_last_word_on_a_failure_is_the_providers_told_to_a_writer() -> None:
    for text in ("", TEXT):
        ending = after(ProviderErrorCode.AUTHENTICATION, text)
        assert isinstance(ending, Ending)
        assert ending.message == "what AUTHENTICATION means"


# Pauses.


@given(st.sampled_from(sorted(RETRYABLE)), st.integers(1, 4), st.floats(0, 1, exclude_max=True))
def test_a_pause_doubles_with_each_try_and_jitters_within_its_upper_half(code: str, tries: int, chance: float) -> None:
    following = after(ProviderErrorCode(code), "", tries, chance=chance)
    assert isinstance(following, TryAgain)
    whole = BACKOFF_S * 2 ** (tries - 1)
    assert whole / 2 <= following.delay_s < whole


def test_pauses_grow_from_a_quarter_of_a_second() -> None:
    pauses = [after(ProviderErrorCode.OVERLOADED, "", tries) for tries in range(1, 5)]
    assert pauses == [TryAgain(0.25), TryAgain(0.5), TryAgain(1.0), TryAgain(2.0)]
    assert after(ProviderErrorCode.OVERLOADED, "", 4, chance=0.5) == TryAgain(3.0)


def test_the_providers_own_pause_is_honoured_up_to_the_cap() -> None:
    assert BACKOFF_MAX_S == 20.0
    pauses = [(0.0, 0.0), (0.1, 0.1), (7.0, 7.0), (20.0, 20.0), (3_600.0, 20.0)]
    for (said, paused), chance in product(pauses, (0.0, 0.99)):
        again = after(ProviderErrorCode.RATE_LIMITED, "", 3, retry_after_s=said, chance=chance)
        assert again == TryAgain(paused)
        anew = after(ProviderErrorCode.RATE_LIMITED, TEXT, 3, retry_after_s=said, chance=chance)
        assert anew == NewAttempt(paused, ProviderErrorCode.RATE_LIMITED)


def test_a_provider_that_names_a_pause_for_a_hopeless_call_is_not_called_again() -> None:
    ending = after(ProviderErrorCode.QUOTA_EXHAUSTED, "", retry_after_s=1.0)
    assert shape(ending) == ("FAILED", "FAILED", False, None, "QUOTA_EXHAUSTED")


@given(st.sampled_from(CODES), st.sampled_from(["", TEXT, *BLANKS]))
def test_whatever_fails_a_generation_ends_after_a_bounded_number_of_calls(code: ProviderErrorCode, text: str) -> None:
    tries = failures = calls = 0
    while True:
        tries, calls = tries + 1, calls + 1
        following = after(code, text, tries, failures)
        if isinstance(following, Ending):
            break
        if isinstance(following, NewAttempt):
            tries, failures = 0, failures + 1
    assert calls <= (TRIES_MAX if not text else FAILURES_MAX)


# Cancelling, and workers that die.


def test_a_cancelled_generation_keeps_the_text_that_is_there() -> None:
    assert shape(cancelled(TEXT)) == ("CANCELLED", "CANCELLED", True, None, None)
    for blank in BLANKS:
        assert shape(cancelled(blank)) == ("CANCELLED", "CANCELLED", False, None, None)


def test_a_job_whose_worker_died_goes_back_into_the_queue_nine_times() -> None:
    for crashes, text in product(range(1, 10), ("", TEXT)):
        assert after_crash(crashes=crashes, cancel_requested=False, text=text) is None


def test_a_job_that_kills_every_worker_fails_at_the_tenth() -> None:
    for crashes in (10, 11):
        ending = after_crash(crashes=crashes, cancel_requested=False, text=TEXT)
        assert shape(ending) == ("FAILED", "CRASHED", False, None, "WORKER_CRASHED")


def test_a_cancel_that_the_dead_worker_never_heard_is_carried_out() -> None:
    for crashes, text in product((1, CRASHES_MAX, CRASHES_MAX + 1), ("", TEXT)):
        assert after_crash(crashes=crashes, cancel_requested=True, text=text) == cancelled(text)


# What every ending has in common.


def last(code: ProviderErrorCode, text: str) -> Ending:
    following = after(code, text, TRIES_MAX, FAILURES_MAX)
    assert isinstance(following, Ending)
    return following


def endings() -> list[Ending]:
    return [
        completed(),
        *[truncated(reason) for reason in TruncationReason],
        cancelled(TEXT),
        cancelled(""),
        failed("CODE", "Message."),
        *[after_finish(reason, text) for reason, text in product(FinishReason, (TEXT, ""))],
        *[last(code, text) for code, text in product(CODES, (TEXT, ""))],
    ]


def test_every_ending_is_consistent_in_itself() -> None:
    for ending in endings():
        assert JOB_STATE[ending.state].terminal, ending
        assert (ending.truncation is not None) == (ending.state is GenerationState.TRUNCATED), ending
        assert (ending.outcome is AttemptOutcome.CUT) == (ending.truncation is TruncationReason.CUT), ending
        assert (ending.code is None) == (ending.message is None), ending
        assert ending.state is not GenerationState.FAILED or (ending.code is not None and not ending.keeps_text), ending
        assert ending.billed == ending.keeps_text, ending


def test_every_terminal_state_of_a_job_is_reached_by_some_ending() -> None:
    assert {JOB_STATE[ending.state] for ending in endings()} == {state for state in JobState if state.terminal}
