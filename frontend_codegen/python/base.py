"""What the generated operations stand on; the generator copies this file beside them."""

from __future__ import annotations

from typing import Any

from ..transport import Transport
from .base_model import UNSET


class Base(Transport):
    def _sent(self, variables: dict[str, Any]) -> dict[str, Any]:
        """An argument that was left out is not sent, so that the server's default holds."""
        return {name: value for name, value in variables.items() if value is not UNSET}
