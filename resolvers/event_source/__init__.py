"""Where a stream's events come from: the live log while there is one, PostgreSQL when there is not."""

from resolvers.event_source.feed import Feed
from resolvers.event_source.follow import Follow
from resolvers.event_source.rounds import REVALIDATE_S, ROUND_S, SILENCE_S, StillValid
from resolvers.event_source.source import EventSource

__all__ = ["REVALIDATE_S", "ROUND_S", "SILENCE_S", "EventSource", "Feed", "Follow", "StillValid"]
