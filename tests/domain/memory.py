"""The ports of a unit of work, in memory: every rule of the stores and of the database, and no I/O.

What the database refuses by constraint or trigger is refused here by ValueError: a test that meets one has found
a use case that would have failed in production.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from domain.accounts import ApiToken, Membership, Role, Session, Tenant, User
from domain.billing import AccountKind, Entry, EntryKind, Price, QuotaExhausted, UsageRecord
from domain.errors import LeaseLost
from domain.generation.entities import Attempt, Channel, Generation, GenerationState
from domain.ids import (
    ApiTokenId,
    ChannelId,
    EntryId,
    GenerationId,
    JobId,
    NodeId,
    ProjectId,
    RelationId,
    SessionId,
    TenantId,
    UserId,
    VersionId,
    new_id,
)
from domain.jobs import TRANSITIONS, IdempotencyKey, Job, JobState, Lease, UsedKey
from domain.projects import OutlineKind, OutlineNode, Project, TextVersion, VersionState
from domain.story import CodexEntry, CodexRelation

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class MemoryProjects:
    """Implements `domain.projects.store.ProjectStore`."""

    def __init__(self) -> None:
        self.projects: dict[ProjectId, Project] = {}
        self.nodes: dict[NodeId, OutlineNode] = {}
        self.versions: dict[VersionId, TextVersion] = {}
        self.indexed: dict[NodeId, str] = {}
        self.locked: list[UUID] = []

    async def add(self, row: Project | OutlineNode | TextVersion) -> None:
        match row:
            case Project():
                self.projects[row.id] = row
            case OutlineNode():
                self.nodes[row.id] = row
            case TextVersion():
                if any((one.node_id, one.number) == (row.node_id, row.number) for one in self.versions.values()):
                    raise ValueError("text_versions_tenant_id_node_id_number_key")
                self.versions[row.id] = row

    async def project(self, project_id: ProjectId, *, lock: bool = False, deleted: bool = False) -> Project | None:
        self.locked += [project_id] * lock
        found = self.projects.get(project_id)
        return found if found is not None and (deleted or found.deleted_at is None) else None

    async def node(self, node_id: NodeId, *, lock: bool = False, deleted: bool = False) -> OutlineNode | None:
        self.locked += [node_id] * lock
        found = self.nodes.get(node_id)
        if found is None or deleted:
            return found
        gone = found.deleted_at is not None or self.projects[found.project_id].deleted_at is not None
        return None if gone else found

    async def siblings(self, project_id: ProjectId, parent_id: NodeId | None) -> list[OutlineNode]:
        return [node for node in self._live(project_id) if node.parent_id == parent_id]

    async def count_nodes(self, project_id: ProjectId) -> int:
        return len(self._live(project_id))

    async def subtree(self, node: OutlineNode) -> list[OutlineNode]:
        below = f"{node.path}/"
        return [one for one in self._live(node.project_id) if one.path == node.path or one.path.startswith(below)]

    async def version(self, version_id: VersionId) -> TextVersion | None:
        return self.versions.get(version_id)

    async def index_text(self, node: OutlineNode, version: TextVersion) -> None:
        self.indexed[node.id] = version.text

    async def previous_chapter_text(self, node: OutlineNode) -> str:
        before = [
            one for one in self._live(node.project_id) if one.kind == OutlineKind.CHAPTER and one.path < node.path
        ]
        last = max(before, key=lambda one: one.path, default=None)
        if last is None or last.current_version_id is None:
            return ""
        return self.versions[last.current_version_id].text

    def current(self, node: OutlineNode) -> TextVersion:
        """The chapter's one CURRENT version."""
        (version,) = (
            one for one in self.versions.values() if one.node_id == node.id and one.state == VersionState.CURRENT
        )
        return version

    def _live(self, project_id: ProjectId) -> list[OutlineNode]:
        live = (node for node in self.nodes.values() if node.project_id == project_id and node.deleted_at is None)
        return sorted(live, key=lambda node: (node.position, node.id))


class MemoryStory:
    """Implements `domain.story.StoryStore`."""

    def __init__(self) -> None:
        self.rows: dict[EntryId, CodexEntry] = {}
        self.relations: dict[RelationId, CodexRelation] = {}

    async def entry(self, entry_id: EntryId) -> CodexEntry | None:
        found = self.rows.get(entry_id)
        return found if found is not None and found.deleted_at is None else None

    async def entries(self, project_id: ProjectId) -> list[CodexEntry]:
        live = [row for row in self.rows.values() if row.project_id == project_id and row.deleted_at is None]
        return sorted(live, key=lambda row: (row.name, row.id))

    async def count_entries(self, project_id: ProjectId) -> int:
        return sum(1 for row in self.rows.values() if row.project_id == project_id and row.deleted_at is None)

    async def relation(self, relation_id: RelationId) -> CodexRelation | None:
        return self.relations.get(relation_id)

    async def relation_exists(self, from_id: EntryId, to_id: EntryId, kind: str) -> bool:
        return any((one.from_id, one.to_id, one.kind) == (from_id, to_id, kind) for one in self.relations.values())

    async def delete_relations_of(self, entry_id: EntryId) -> None:
        for one in list(self.relations.values()):
            if entry_id in (one.from_id, one.to_id):
                del self.relations[one.id]

    async def delete_relation(self, relation: CodexRelation) -> None:
        del self.relations[relation.id]

    async def add(self, row: CodexEntry | CodexRelation) -> None:
        if isinstance(row, CodexEntry):
            self.rows[row.id] = row
        else:
            self.relations[row.id] = row


class MemoryAccounts:
    """Implements `domain.accounts.AccountStore` for one tenant."""

    def __init__(self) -> None:
        self.users: dict[UserId, User] = {}
        self.tenants: dict[TenantId, Tenant] = {}
        self.memberships: list[Membership] = []
        self.sessions: dict[SessionId, Session] = {}
        self.api_tokens: dict[ApiTokenId, ApiToken] = {}

    async def user_by_email(self, email: str) -> User | None:
        return next((user for user in self.users.values() if user.email == email), None)

    async def user(self, user_id: UserId) -> User | None:
        return self.users.get(user_id)

    async def add_user(self, user: User) -> bool:
        if await self.user_by_email(user.email) is not None:
            return False
        self.users[user.id] = user
        return True

    async def add_tenant(self, tenant: Tenant) -> None:
        self.tenants[tenant.tenant_id] = tenant

    async def add_membership(self, membership: Membership) -> None:
        self.memberships.append(membership)

    async def memberships_of(self, user_id: UserId) -> list[tuple[Tenant, Role]]:
        return [(self.tenants[one.tenant_id], Role(one.role)) for one in self.memberships if one.user_id == user_id]

    async def role_in(self, user_id: UserId) -> Role | None:
        return next((Role(one.role) for one in self.memberships if one.user_id == user_id), None)

    async def add_session(self, session: Session) -> None:
        self.sessions[session.id] = session

    async def lock_session(self, session_id: SessionId) -> Session | None:
        return self.sessions.get(session_id)

    async def add_api_token(self, token: ApiToken) -> None:
        self.api_tokens[token.id] = token

    async def api_token(self, token_id: ApiTokenId) -> ApiToken | None:
        return self.api_tokens.get(token_id)

    async def count_api_tokens(self) -> int:
        return sum(1 for token in self.api_tokens.values() if token.revoked_at is None)


class MemoryJobs:
    """Implements `domain.jobs.JobStore`. Time stands still: a lease expires when a test says so (`expire`)."""

    def __init__(self, tenant_id: TenantId) -> None:
        self._tenant_id = tenant_id
        self.keys: dict[tuple[str, str, str], tuple[bytes, UUID | None]] = {}
        self.jobs: dict[JobId, Job] = {}
        self.outbox: set[JobId] = set()
        self.paused: set[str] = set()

    async def claim_key(self, key: IdempotencyKey) -> UsedKey | None:
        scope = (key.principal, key.operation, key.key)
        if scope not in self.keys:
            self.keys[scope] = (key.body_hash, None)
            return None
        body_hash, result_id = self.keys[scope]
        if result_id is None:
            raise ValueError("a key is visible to others only with its result")
        return UsedKey(result_id, body_hash == key.body_hash)

    async def complete_key(self, key: IdempotencyKey, result_id: UUID) -> None:
        self.keys[key.principal, key.operation, key.key] = (key.body_hash, result_id)

    async def enqueue(self, job: Job, *, concurrency_max: int) -> bool:
        in_hand = sum(1 for one in self.jobs.values() if one.lease_token is not None) + len(self.outbox)
        self.jobs[job.id] = job
        self.outbox.add(job.id)
        return in_hand < concurrency_max and job.queue not in self.paused

    async def claim(self, job_id: JobId, worker: str, lease_s: float) -> Lease | None:
        job = self.jobs.get(job_id)
        if job is None or job.state != JobState.QUEUED or job.queue in self.paused:
            return None
        self._move(job, JobState.RUNNING)
        job.attempt, job.worker, job.lease_token = job.attempt + 1, worker, uuid4()
        job.lease_expires_at = NOW + timedelta(seconds=lease_s)
        self.outbox.discard(job_id)
        return Lease(self._tenant_id, job_id, job.lease_token, job.attempt)

    async def next_attempt(self, lease: Lease) -> Lease:
        job = self._fenced(lease)
        job.attempt, job.failures = job.attempt + 1, job.failures + 1
        return replace(lease, attempt=job.attempt)

    async def beat(self, lease: Lease, lease_s: float, percent: int) -> bool:
        job = self._fenced(lease)
        job.progress, job.lease_expires_at = percent, NOW + timedelta(seconds=lease_s)
        return job.cancel_requested_at is not None

    async def close(self, lease: Lease, state: JobState, error: tuple[str, str] | None) -> None:
        job = self._fenced(lease)
        self._move(job, state)
        job.lease_token, job.lease_expires_at, job.finished_at = None, None, NOW
        job.error_code, job.error_message = error or (None, None)

    async def lock(self, job_id: JobId) -> Job | None:
        return self.jobs.get(job_id)

    async def cancel_queued(self, job: Job) -> None:
        self._move(job, JobState.CANCELLED)
        job.cancel_requested_at = job.finished_at = NOW
        self.outbox.discard(job.id)

    async def ask_cancel(self, job: Job) -> None:
        self._move(job, JobState.CANCELLING)
        job.cancel_requested_at = NOW

    def expire(self, job_id: JobId) -> None:
        self.jobs[job_id].lease_expires_at = NOW - timedelta(seconds=1)

    async def reclaim(self, job_id: JobId) -> tuple[Job, Lease] | None:
        job = self.jobs[job_id]
        if job.lease_expires_at is None or job.lease_expires_at >= NOW:
            return None
        job.lease_token, job.crashes = uuid4(), job.crashes + 1
        return job, Lease(self._tenant_id, job_id, job.lease_token, job.attempt)

    async def restore_doorbell(self, job_id: JobId) -> None:
        if self.jobs[job_id].state == JobState.QUEUED:
            self.outbox.add(job_id)

    async def pause(self, queue: str, *, paused: bool) -> None:
        (self.paused.add if paused else self.paused.discard)(queue)

    async def requeue(self, lease: Lease) -> None:
        job = self._fenced(lease)
        self._move(job, JobState.QUEUED)
        job.lease_token = job.lease_expires_at = None
        self.outbox.add(job.id)

    def _fenced(self, lease: Lease) -> Job:
        job = self.jobs.get(lease.job_id)
        if job is None or job.lease_token != lease.token:
            raise LeaseLost
        return job

    def _move(self, job: Job, state: JobState) -> None:
        if state not in TRANSITIONS[JobState(job.state)]:
            raise ValueError(f"job {job.id} cannot go from {job.state} to {state}")
        job.state = state


class MemoryGeneration:
    """Implements `domain.generation.store.GenerationStore`."""

    def __init__(self) -> None:
        self.channels: dict[ChannelId, Channel] = {}
        self.generations: dict[GenerationId, Generation] = {}
        self.attempts: dict[tuple[GenerationId, int], Attempt] = {}

    async def channel(self, channel_id: ChannelId | None) -> Channel | None:
        for channel in self.channels.values():
            if channel.enabled and (channel.is_default if channel_id is None else channel.id == channel_id):
                return channel
        return None

    async def add(self, row: Generation | Attempt) -> None:
        if isinstance(row, Generation):
            self.generations[row.id] = row
        elif (row.generation_id, row.number) in self.attempts:
            raise ValueError("attempts_pkey")
        else:
            self.attempts[row.generation_id, row.number] = row

    async def generation(self, generation_id: GenerationId) -> Generation | None:
        return self.generations.get(generation_id)

    async def of_job(self, job_id: JobId) -> Generation | None:
        return next((one for one in self.generations.values() if one.job_id == job_id), None)

    async def attempt(self, generation_id: GenerationId, number: int) -> Attempt | None:
        return self.attempts.get((generation_id, number))

    async def checkpoint(
        self, generation_id: GenerationId, number: int, text: str, first_token_at: datetime | None
    ) -> None:
        attempt, generation = self.attempts[generation_id, number], self.generations[generation_id]
        attempt.text, attempt.first_token_at = text, attempt.first_token_at or first_token_at
        if generation.state == GenerationState.PREPARING:
            generation.state = GenerationState.STREAMING


@dataclass(slots=True)
class Hold:
    micros: int
    open: bool = True


class MemoryBilling:
    """Implements `domain.billing.BillingStore` with the ledger's constraints."""

    def __init__(self) -> None:
        self.prices = {"*": Price("*", 500_000, 125_000, 2_000_000)}
        self.balance: dict[AccountKind, int] = defaultdict(int)
        self.entries: list[Entry] = []
        self.holds: dict[JobId, Hold] = {}
        self.usage: dict[tuple[JobId, int, str], UsageRecord] = {}

    async def price_of(self, model: str) -> Price:
        return self.prices.get(model, self.prices["*"])

    async def open_wallet(self) -> None:
        self.balance.update(dict.fromkeys(AccountKind, 0))

    async def post(self, entry: Entry) -> None:
        self._check(entry)
        after = dict(self.balance)
        for posting in entry.postings:
            after[posting.account] = after.get(posting.account, 0) + posting.micros
        if min(after.get(AccountKind.AVAILABLE, 0), after.get(AccountKind.HELD, 0)) < 0:
            needed = -min(posting.micros for posting in entry.postings)
            raise QuotaExhausted(needed, self.balance[AccountKind.AVAILABLE])
        self.balance.update(after)
        self.entries.append(entry)

    def _check(self, entry: Entry) -> None:
        """What the ledger's constraints and triggers refuse."""
        if sum(posting.micros for posting in entry.postings) or len(entry.postings) < 2:
            raise ValueError(f"entry {entry.reference} does not balance")
        if not all(posting.micros for posting in entry.postings):
            raise ValueError("ledger_postings_moves_check")
        if len({posting.account for posting in entry.postings}) < len(entry.postings):
            raise ValueError("ledger_postings_pkey")
        closing = {EntryKind.SETTLE, EntryKind.RELEASE}
        for one in self.entries:
            if (one.kind, one.reference) == (entry.kind, entry.reference):
                raise ValueError("ledger_entries_tenant_id_kind_reference_key")
            if one.job_id == entry.job_id and {one.kind, entry.kind} <= closing:
                raise ValueError("ledger_entries_hold_closes_once_idx")

    async def open_hold(self, job_id: JobId, micros: int) -> None:
        if micros <= 0 or job_id in self.holds:
            raise ValueError("holds_positive_check or holds_pkey")
        self.holds[job_id] = Hold(micros)

    async def close_hold(self, job_id: JobId) -> int | None:
        hold = self.holds.get(job_id)
        if hold is None or not hold.open:
            return None
        hold.open = False
        return hold.micros

    async def record_usage(self, record: UsageRecord) -> None:
        key = (record.job_id, record.attempt, record.kind)
        if key in self.usage:
            raise ValueError("usage_records_pkey")
        self.usage[key] = record


class MemoryUnitOfWork:
    """Implements `domain.unit_of_work.UnitOfWork`. Nothing is rolled back: a test looks at one use case."""

    def __init__(self) -> None:
        self.tenant_id = TenantId(new_id())
        self.now = NOW
        self.accounts = MemoryAccounts()
        self.projects = MemoryProjects()
        self.story = MemoryStory()
        self.jobs = MemoryJobs(self.tenant_id)
        self.generation = MemoryGeneration()
        self.billing = MemoryBilling()
