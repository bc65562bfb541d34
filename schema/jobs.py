"""Types of the jobs room: jobs, queues, workers."""

from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain import jobs
from domain.jobs import JobState
from schema.base import Node, Payload, described_enum, mapped
from schema.batched import After, Aliases, batched, found, id_of, ids_of, needs
from schema.context import Info
from schema.cost import ListSize
from schema.events import EventPage, First, JobEvent, event_page
from schema.ids import encode_id

if TYPE_CHECKING:
    from schema.generation import Generation
    from schema.knowledge.evidence import Evidence

_Evidence = Annotated["Evidence", strawberry.lazy("schema.knowledge.evidence")]

described_enum(
    JobState,
    QUEUED="Waits for a worker.",
    RUNNING="A worker has it.",
    CANCELLING="Asked to stop; its worker will confirm.",
    SUCCEEDED="Done.",
    FAILED="Ended without a result: a dead job, which can be retried.",
    CANCELLED="Stopped on request.",
    TRUNCATED="Ended early with a part of the result.",
)


@mapped(
    jobs.Job,
    kind="What kind of work it is.",
    queue="The queue it waits in.",
    progress="Percent done.",
    attempt="The try that runs or ran last; 0 before the first.",
    worker="The worker that has or had it.",
    created_at="When it was asked for.",
    started_at="When a worker first took it.",
    finished_at="When it ended.",
    error_code="What went wrong, as a code.",
    error_message="What went wrong, as a sentence.",
)
class Job(Node):
    """Work that outlives the request that asked for it."""

    state: JobState = strawberry.field(description="How far it is.")

    @strawberry.field(description="Attempts that may fail before the job does.", metadata=needs())
    def max_attempts(self) -> int:
        return jobs.FAILURES_MAX

    @strawberry.field(description="The job that this one tries again.", metadata=id_of("Job", "retry_of"))
    def retry_of(self) -> strawberry.ID | None:
        return strawberry.ID(encode_id("Job", self.retry_of)) if self.retry_of else None

    generation: Annotated["Generation", strawberry.lazy("schema.generation")] | None = found(
        "GenerationOfJob", attrgetter("id"), description="The generation it does; null for other kinds of work.",
        metadata=needs("id"),
    )  # fmt: skip

    @batched(
        description="The passages of knowledge bases that it was given, in the order of their aliases.",
        columns=("id",), directives=[ListSize(assumed_size=20)],
    )  # fmt: skip
    async def evidence(jobs: list[Any], info: Info, aliases: Aliases = None) -> list[list[_Evidence]]:
        from schema.knowledge.evidence import evidence_of

        return await evidence_of(info, ids_of(jobs), aliases)

    @strawberry.field(
        description="The stream's events, for clients that poll.", metadata=needs("id"),
        directives=[ListSize(assumed_size=1_000)],
    )  # fmt: skip
    async def events(self, info: Info, after: After = None, first: First = 100) -> EventPage[JobEvent]:
        return event_page(await info.context.reads.events(self.id, after, first))


@strawberry.type(description="A worker process, as it last reported.")
class Worker:
    id: str = strawberry.field(description="Its name: host and process.")
    started_at: datetime = strawberry.field(description="When it started.")
    last_seen_at: datetime = strawberry.field(description="When it last reported.")
    threads: int = strawberry.field(description="How many jobs it can run at once.")
    busy: int = strawberry.field(description="How many it runs.")


@strawberry.type(description="A queue and your tenant's work in it.")
class QueueStatus:
    name: str = strawberry.field(description="The queue.")
    paused: bool = strawberry.field(description="Whether new work waits until the queue is resumed.")
    queued: int = strawberry.field(description="Your jobs that wait.")
    running: int = strawberry.field(description="Your jobs that run.")
    oldest_queued_seconds: float = strawberry.field(description="How long the oldest has waited.")


@strawberry.input(description="Which jobs to list.")
class JobFilter:
    states: list[JobState] | None = strawberry.field(default=None, description="Only those in one of these states.")
    kind: str | None = strawberry.field(default=None, description="Only this kind of work.")


@strawberry.input(description="A job to try again.")
class JobRetryInput:
    id: strawberry.ID = strawberry.field(description="A job that ended without success.")
    idempotency_key: str = strawberry.field(description="The same key gives the same new job.")


@strawberry.input(description="A job to stop.")
class JobCancelInput:
    id: strawberry.ID = strawberry.field(description="The job.")


@strawberry.input(description="A queue to pause.")
class QueuePauseInput:
    name: str = strawberry.field(description="The queue.")


@strawberry.input(description="A queue to resume.")
class QueueResumeInput:
    name: str = strawberry.field(description="The queue.")


@strawberry.type(description="The new job.")
class JobRetryPayload(Payload):
    job: Job | None = strawberry.field(default=None, description="The new job; the old one stays as it ended.")
    generation: Annotated["Generation", strawberry.lazy("schema.generation")] | None = strawberry.field(
        default=None, description="Its generation."
    )


@strawberry.type(description="The job that is being stopped.")
class JobCancelPayload(Payload):
    job: Job | None = strawberry.field(default=None, description="The job.")


@strawberry.type(description="The paused queue.")
class QueuePausePayload(Payload):
    queue: QueueStatus | None = strawberry.field(default=None, description="The queue.")


@strawberry.type(description="The resumed queue.")
class QueueResumePayload(Payload):
    queue: QueueStatus | None = strawberry.field(default=None, description="The queue.")
