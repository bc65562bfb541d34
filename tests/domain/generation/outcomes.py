"""How a call may come out, and what then stands in the books."""

from __future__ import annotations

from domain.billing import Usage
from domain.generation import attempts
from domain.generation.endings import Ending
from domain.generation.provider import UsageSource
from domain.ids import JobId
from tests.domain.memory import NOW
from tests.domain.world import World

TEXT = "The fog lay on the harbour."
USAGE = Usage(1_000, 200, source=UsageSource.PROVIDER_FINAL)
COST = 500 + 400
"""Of USAGE, at the default price."""


def result(ending: Ending, text: str = TEXT, usage: Usage = USAGE) -> attempts.Result:
    return attempts.Result(text, ending, usage, NOW, ["0 ms: attempt"], "STOP")


def balances(world: World) -> dict[str, int]:
    return {kind.value: amount for kind, amount in world.uow.billing.balance.items() if amount}


def open_holds(world: World) -> list[JobId]:
    return [job_id for job_id, hold in world.uow.billing.holds.items() if hold.open]
