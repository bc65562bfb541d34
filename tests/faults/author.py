"""An author of one tenant, as an HTTP client; and the tenant's books, read as the application's own role."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx

from schema.ids import decode_id
from tests.faults.product import Product, eventually
from tests.faults.watcher import Watcher

REGISTER = """
mutation ($input: RegisterInput!) {
  register(input: $input) { tokens { accessToken } viewer { tenant { id } } userErrors { code message } }
}
"""
PROJECT = 'mutation { projectCreate(input: {title: "Faults", language: "en"}) { project { id } } }'
CHAPTER = """
mutation ($project: ID!, $title: String!) {
  chapterCreate(input: {projectId: $project, title: $title}) { chapter { id } userErrors { code message } }
}
"""
GENERATE = """
mutation ($input: ChapterGenerateInput!) {
  chapterGenerate(input: $input) {
    __typename
    ... on GenerationStarted { replayed generation { id state job { id } } }
    ... on UserError { code message }
  }
}
"""
GENERATION = """
query ($id: ID!) {
  node(id: $id) {
    ... on Generation {
      state text errorCode errorMessage attempts { number outcome trace } version { id text state } job { id state }
    }
  }
}
"""
POLLED = """
query ($id: ID!, $after: String) {
  node(id: $id) { ... on Generation { events(after: $after, first: 1000) { events { __typename seq } } } }
}
"""
CANCEL = """
mutation ($id: ID!) {
  generationCancel(input: {id: $id}) { generation { state } userErrors { code message } }
}
"""
CANCEL_JOB = "mutation ($id: ID!) { jobCancel(input: {id: $id}) { job { state } userErrors { code message } } }"


@dataclass(frozen=True)
class Started:
    """Global ids of a generation and its job."""

    id: str
    job_id: str


class Refused(AssertionError):
    """An answer with errors that the test did not plan for."""


class Author:
    """Speaks for one tenant. `token` is an access token or an API token."""

    def __init__(self, product: Product, http: httpx.AsyncClient, token: str, tenant_id: str) -> None:
        self._product = product
        self._http = http
        self.token = token
        self.tenant_id = decode_id("Tenant", tenant_id)
        self._project: str | None = None

    @classmethod
    def demo(cls, product: Product, http: httpx.AsyncClient) -> Author:
        """The owner of the demo tenant."""
        ready = product.ready
        return cls(product, http, ready["token"], ready["tenantId"])

    @classmethod
    async def newcomer(cls, product: Product, http: httpx.AsyncClient) -> Author:
        """Somebody with a tenant of their own."""
        name = uuid.uuid4().hex[:12]
        person = {"email": f"{name}@faults.test", "password": f"long enough {name}", "displayName": name}
        answer = await http.post(product.ready["graphqlUrl"], json={"query": REGISTER, "variables": {"input": person}})
        made = answer.json()["data"]["register"]
        return cls(product, http, made["tokens"]["accessToken"], made["viewer"]["tenant"]["id"])

    async def graphql(self, query: str, **variables: Any) -> Any:
        """The answer's data. Raises Refused."""
        answer = await self._http.post(
            self._product.ready["graphqlUrl"],
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {self.token}"},
        )
        body = answer.json()
        if "errors" in body:
            raise Refused(body["errors"])
        return body["data"]

    async def new_chapter(self, title: str = "One") -> str:
        if self._project is None:
            self._project = (await self.graphql(PROJECT))["projectCreate"]["project"]["id"]
        made = await self.graphql(CHAPTER, project=self._project, title=title)
        return str(made["chapterCreate"]["chapter"]["id"])

    async def ask(self, chapter: str, **more: Any) -> dict[str, Any]:
        """The answer to chapterGenerate, whatever it is. A key is made up when none is given."""
        body = {"chapterId": chapter, "instructions": "A storm.", "idempotencyKey": uuid.uuid4().hex, **more}
        answer: dict[str, Any] = (await self.graphql(GENERATE, input=body))["chapterGenerate"]
        return answer

    async def start(self, chapter: str, **more: Any) -> Started:
        """A started generation; anything else fails the test."""
        answer = await self.ask(chapter, **more)
        assert answer["__typename"] == "GenerationStarted", answer
        return Started(answer["generation"]["id"], answer["generation"]["job"]["id"])

    def watcher(self, started: Started, **more: Any) -> Watcher:
        return Watcher(self._product.ready["graphqlWsUrl"], self.token, started.id, **more)

    async def generation(self, started: Started) -> dict[str, Any]:
        found: dict[str, Any] = (await self.graphql(GENERATION, id=started.id))["node"]
        return found

    async def events(self, started: Started, after: str | None = None) -> list[str]:
        """The types of the events that polling finds after a cursor."""
        found = await self.graphql(POLLED, id=started.id, after=after)
        return [event["__typename"] for event in found["node"]["events"]["events"]]

    async def cancel(self, started: Started) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.graphql(CANCEL, id=started.id))["generationCancel"]
        assert answer["userErrors"] == []
        return answer

    async def job_state(self, started: Started, state: str) -> None:
        """Until the job is in that state, as PostgreSQL sees it."""
        job_id = decode_id("Job", started.job_id)
        async with self.database() as database:

            async def there() -> bool:
                return bool(await database.fetchval("select state = $2 from app.jobs where id = $1", job_id, state))

            await eventually(there, f"job {job_id} is {state}", timeout_s=20)

    async def pause_queue(self) -> None:
        """No worker takes anything new. For an author who may: the demo tenant's."""
        await self.graphql('mutation { queuePause(input: {name: "generation"}) { userErrors { code } } }')

    async def resume_queue(self) -> None:
        await self.graphql('mutation { queueResume(input: {name: "generation"}) { userErrors { code } } }')

    async def channel(self, name: str) -> str:
        """A channel's id."""
        channels = (await self.graphql("{ channels { edges { node { id name } } } }"))["channels"]["edges"]
        return next(str(edge["node"]["id"]) for edge in channels if edge["node"]["name"] == name)

    async def cancel_job(self, started: Started) -> None:
        await self.graphql(CANCEL_JOB, id=started.job_id)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the application's role, inside this tenant."""
        connection = await asyncpg.connect(self._product.ready["databaseUrl"], ssl=False)
        try:
            await connection.execute("select set_config('app.tenant_id', $1, false)", str(self.tenant_id))
            yield connection
        finally:
            await connection.close()
