"""What all processes know together of channels."""

from __future__ import annotations

from typing import Any

from persistence.channels.affinity import Affinities
from persistence.channels.health import ChannelHealth
from persistence.channels.load import ChannelLoad
from persistence.channels.shared import Shared


class Board:
    """Health, load and affinities over one connection. Nothing of it raises because Redis is away."""

    def __init__(self, redis: Any) -> None:
        shared = Shared(redis)
        self.health = ChannelHealth(shared)
        self.load = ChannelLoad(shared)
        self.affinities = Affinities(shared)
