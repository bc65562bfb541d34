"""What a tenant's books say of some jobs, read from PostgreSQL as the application's role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schema.ids import decode_id
from tests.faults.author import Author, Started

_OF_JOBS = """
select j.state,
       (select count(*) from app.ledger_entries e where e.job_id = j.id and e.kind = 'HOLD') as holds,
       (select count(*) from app.ledger_entries e where e.job_id = j.id and e.kind = 'SETTLE') as settlements,
       (select count(*) from app.ledger_entries e where e.job_id = j.id and e.kind = 'RELEASE') as releases,
       (select count(*) from app.holds h where h.job_id = j.id and h.closed_at is null) as still_held,
       (select count(*) from app.usage_records u where u.job_id = j.id and u.billed) as billed,
       (select count(*) from app.outbox o where o.job_id = j.id) as doorbells,
       count(*) as jobs
from app.jobs j where j.id = any($1) group by 1, 2, 3, 4, 5, 6, 7 order by 1
"""
_UNBALANCED = (
    "select count(*) from (select from app.ledger_postings group by entry_id having sum(micros) <> 0) as wrong"
)
_HELD = "select balance from app.ledger_accounts where kind = 'HELD'"
_CREDIT = """
select (select coalesce(sum(balance), 0) from app.ledger_accounts where kind in ('AVAILABLE', 'HELD')),
       (select coalesce(sum(left_micros), 0) from app.grants)
"""
_COUNTED = """
select (select coalesce(sum(cost_micros), 0) from app.usage_records),
       (select coalesce(sum(cost_micros), 0) from app.usage_days)
"""
_OPEN = "select coalesce(sum(micros), 0) from app.holds where closed_at is null"


class Account(NamedTuple):
    """How one kind of job stands in the books; `jobs` is how many stand so."""

    state: str
    holds: int
    settlements: int
    releases: int
    still_held: int
    billed: int
    doorbells: int
    jobs: int


def settled(jobs: int, state: str = "SUCCEEDED") -> Account:
    """The one right way to stand after a text that is kept."""
    return Account(state, holds=1, settlements=1, releases=0, still_held=0, billed=1, doorbells=0, jobs=jobs)


def released(jobs: int, state: str = "CANCELLED") -> Account:
    """The one right way to stand after no text."""
    return Account(state, holds=1, settlements=0, releases=1, still_held=0, billed=0, doorbells=0, jobs=jobs)


async def accounts(author: Author, started: Sequence[Started]) -> list[Account]:
    ids = [decode_id("Job", one.job_id) for one in started]
    async with author.database() as connection:
        return [Account(*row) for row in await connection.fetch(_OF_JOBS, ids)]


async def imbalances(author: Author) -> list[str]:
    """What does not add up in the whole tenant."""
    async with author.database() as connection:
        unbalanced = await connection.fetchval(_UNBALANCED)
        credit, granted = await connection.fetchrow(_CREDIT)
        recorded, counted = await connection.fetchrow(_COUNTED)
        held, open_holds = await connection.fetchval(_HELD), await connection.fetchval(_OPEN)
    wrong = [f"{unbalanced} entries do not sum to zero"] if unbalanced else []
    if (credit, recorded) != (granted, counted):
        wrong.append(f"credit {credit}, grants {granted}; usage {recorded}, by day {counted}")
    if (held, open_holds) != (0, 0):
        wrong.append(f"held {held}, open holds {open_holds}")
    return wrong
