"""What all processes know together of channels: health, load and affinity, in Redis. Losing it costs no money."""

from persistence.channels.affinity import Affinities, Affinity
from persistence.channels.health import ChannelHealth, Transition
from persistence.channels.load import ChannelLoad, Lease, Limits, Load
from persistence.channels.shared import Shared

__all__ = [
    "Affinities",
    "Affinity",
    "ChannelHealth",
    "ChannelLoad",
    "Lease",
    "Limits",
    "Load",
    "Shared",
    "Transition",
]
