"""The one moment at which the pure ring happens."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
