"""What a provider's failure says, and to whom."""

from __future__ import annotations

from domain.generation.provider import ProviderError, ProviderErrorCode, ProviderLimits


def test_an_error_speaks_to_the_writer_and_keeps_its_detail_for_the_operator() -> None:
    error = ProviderError(ProviderErrorCode.OVERLOADED, "The model is busy.", detail="x" * 600, status=503)
    assert str(error) == error.message == "The model is busy."
    assert (len(error.detail), error.status, error.retry_after_s) == (500, 503, None)


def test_no_time_limit_of_a_call_is_infinite() -> None:
    limits = ProviderLimits()
    assert limits == ProviderLimits(connect_s=10.0, first_token_s=60.0, idle_s=30.0, total_s=900.0)
