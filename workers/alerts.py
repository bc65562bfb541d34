"""A channel that has died, or is back: its keepers hear of it, or the log where it is the operator's."""

from __future__ import annotations

import asyncio
import logging

from domain.channels.alerts import tell_turn
from domain.channels.entities import Channel
from domain.channels.health import Turn
from domain.unit_of_work import OpenUnitOfWork
from workers.routing import TellTurn
from workers.telemetry import count_turn

PATIENCE_S = 2.0

logger = logging.getLogger(__name__)


def teller(units: OpenUnitOfWork) -> TellTurn:
    async def tell(channel: Channel, model: str, turn: Turn, error: str | None) -> None:
        count_turn(channel.name, turn)
        logger.warning("channel %s, %s: its breaker has %s (%s)", channel.name, model, turn.lower(), error)
        if channel.of_platform:
            return
        try:
            async with asyncio.timeout(PATIENCE_S), units(channel.tenant_id) as uow:
                await tell_turn(uow, channel, model, turn, error)
        except Exception:  # the generation that has found it goes on, whatever becomes of the news
            logger.exception("channel %s: its keepers are not told", channel.name)

    return tell
