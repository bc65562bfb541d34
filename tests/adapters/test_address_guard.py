"""Where a tenant's channel may lead."""

from __future__ import annotations

import pytest

from adapters.address_guard import NotPublic, refuse_private


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1", "http://LOCALHOST./v1", "http://127.0.0.1/v1", "http://10.1.2.3/v1",
        "http://169.254.169.254/latest", "http://192.168.0.1/v1", "http://[::1]/v1", "http://[fd00::1]/v1",
        "http://[::ffff:10.0.0.1]/v1", "http://[64:ff9b::a00:1]/v1", "http://metadata.google.internal/v1",
        "http://printer.local/v1", "http://0.0.0.0/v1",
    ],
)  # fmt: skip
def test_a_private_address_is_refused(url: str) -> None:
    with pytest.raises(NotPublic):
        refuse_private(url)


@pytest.mark.parametrize("url", ["https://api.example/v1", "https://8.8.8.8/v1", "https://[2606:4700::1]/v1"])
def test_a_public_one_is_not(url: str) -> None:
    refuse_private(url)
