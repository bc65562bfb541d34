"""What an answer leads to: a title for its conversation, or a summary, as jobs of their own."""

from __future__ import annotations

import logging

from domain.billing import BudgetExceeded, QuotaExhausted
from domain.conversations.chores import begin_summary, begin_title
from domain.errors import Rejected
from domain.generation.entities import Generation, GenerationPurpose
from domain.unit_of_work import OpenUnitOfWork
from persistence import database

logger = logging.getLogger(__name__)


async def follow_up(units: OpenUnitOfWork, written: Generation) -> None:
    """Have written what is due, each for itself; the relay rings. What cannot be is left to another answer."""
    if written.message_id is None or written.purpose != GenerationPurpose.TEXT:
        return
    for begin in (begin_title, begin_summary):
        try:
            async with units(written.tenant_id) as uow:
                generation = await uow.generation.generation(written.id)
                if generation is not None:
                    await begin(uow, generation)
        except (Rejected, QuotaExhausted, BudgetExceeded, *database.OUTAGES) as error:
            logger.info("nothing follows job %s: %s", written.job_id, error)
