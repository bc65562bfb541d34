"""Keys of channels and secrets of webhooks, sealed with AES-256-GCM.

A sealed key is: one byte of version, the master key's fingerprint (8 bytes), a nonce (12 bytes), and the ciphertext
with its tag. It is bound to its tenant and channel, so that a row copied to another place does not open. The first
master key seals, the others still open: to change it, put the new one first, run `channels rekey`, take the old away.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import ErrorCode, Rejected
from domain.ids import ChannelId, EndpointId, TenantId

_VERSION = b"\x01"
_FINGERPRINT_BYTES, _NONCE_BYTES = 8, 12
_HEAD = len(_VERSION) + _FINGERPRINT_BYTES
REFERENCES_ONLY = "This installation keeps no keys. Ask its operator for a channel."
NO_MASTER_KEY = "No key to seal others with is set (FABULA_CHANNEL_KEYS)."


class AesKeyVault:
    """Implements `domain.channels.service.KeyVault`. With `references_only` nothing new is sealed."""

    def __init__(self, masters: Sequence[bytes], *, references_only: bool = False) -> None:
        self._ciphers = {_fingerprint(master): AESGCM(master) for master in masters}
        self._first = _fingerprint(masters[0]) if masters else None
        self._references_only = references_only

    def seal(self, tenant_id: TenantId, channel_id: ChannelId, key: str) -> bytes:
        if self._references_only or self._first is None:
            reason = REFERENCES_ONLY if self._references_only else NO_MASTER_KEY
            raise Rejected(ErrorCode.INVALID_STATE, reason, "input", "apiKey")
        nonce = os.urandom(_NONCE_BYTES)
        text = self._ciphers[self._first].encrypt(nonce, key.encode(), _place(tenant_id, channel_id))
        return _VERSION + self._first + nonce + text

    def open(self, tenant_id: TenantId, channel_id: ChannelId, sealed: bytes) -> str:
        cipher = self._ciphers.get(sealed[len(_VERSION) : _HEAD])
        if not sealed.startswith(_VERSION) or cipher is None:
            raise ValueError("it was sealed with a master key that is not set")
        nonce, text = sealed[_HEAD : _HEAD + _NONCE_BYTES], sealed[_HEAD + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, text, _place(tenant_id, channel_id)).decode()
        except InvalidTag:
            raise ValueError("it was sealed for another channel, or changed") from None

    def current(self, sealed: bytes) -> bool:
        """Whether the first master key has sealed it."""
        return sealed[len(_VERSION) : _HEAD] == self._first


class WebhookVault:
    """Implements `domain.operations.webhooks.SecretVault` with the keys that channels' keys are sealed with."""

    def __init__(self, masters: Sequence[bytes]) -> None:
        self._vault = AesKeyVault(masters)

    def seal(self, tenant_id: TenantId, endpoint_id: EndpointId, secret: str) -> bytes:
        try:
            return self._vault.seal(tenant_id, ChannelId(endpoint_id), secret)
        except Rejected as refusal:
            raise Rejected(refusal.code, refusal.message) from None

    def open(self, tenant_id: TenantId, endpoint_id: EndpointId, sealed: bytes) -> str:
        return self._vault.open(tenant_id, ChannelId(endpoint_id), sealed)

    def current(self, sealed: bytes) -> bool:
        """Whether the first master key has sealed it."""
        return self._vault.current(sealed)


def _fingerprint(master: bytes) -> bytes:
    return hashlib.sha256(b"fabula channel key" + master).digest()[:_FINGERPRINT_BYTES]


def _place(tenant_id: TenantId, channel_id: ChannelId) -> bytes:
    return tenant_id.bytes + channel_id.bytes
