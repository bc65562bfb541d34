"""As much of Weaviate as its client asks for here, over REST and gRPC on loopback, on the client's own protobufs.

It does as the real one where the difference matters: a batch deletes so many and no more, an insert fails object by
object, and a tenant must be there and awake.
"""

from __future__ import annotations

import asyncio
import struct
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from aiohttp import web
from weaviate.proto.v1 import base_pb2 as base_pb
from weaviate.proto.v1 import batch_delete_pb2 as delete_pb
from weaviate.proto.v1 import batch_pb2 as batch_pb
from weaviate.proto.v1 import health_weaviate_pb2 as health_pb
from weaviate.proto.v1 import properties_pb2 as properties_pb
from weaviate.proto.v1 import search_get_pb2 as search_pb
from weaviate.proto.v1 import tenants_pb2 as tenants_pb
from weaviate.proto.v1 import weaviate_pb2_grpc

from tests.fakes.weaviate_index import Index, Refused, Stored, bm25, distances, floats, matches

VERSION = "1.37.0"
_STATES = {"ACTIVE": "HOT", "INACTIVE": "COLD", "HOT": "HOT", "COLD": "COLD"}
_PB_STATES = {"HOT": tenants_pb.TENANT_ACTIVITY_STATUS_HOT, "COLD": tenants_pb.TENANT_ACTIVITY_STATUS_COLD}
_HNSW = {
    "skip": False, "cleanupIntervalSeconds": 300, "maxConnections": 32, "efConstruction": 128, "ef": -1,
    "dynamicEfMin": 100, "dynamicEfMax": 500, "dynamicEfFactor": 8, "vectorCacheMaxObjects": 10**12,
    "flatSearchCutoff": 40_000, "filterStrategy": "acorn", "multivector": {"enabled": False, "aggregation": "maxSim"},
    "pq": {"enabled": False}, "bq": {"enabled": False}, "sq": {"enabled": False},
}  # fmt: skip


def asked_vector(near: search_pb.SearchRequest) -> tuple[float, ...]:
    return floats(near.vectors[0].vector_bytes if near.vectors else near.vector_bytes)


class _Grpc(weaviate_pb2_grpc.WeaviateServicer):
    def __init__(self, server: FakeWeaviate) -> None:
        self._server = server

    async def _answer(self, name: str, request: Any, context: Any, work: Callable[[Any], Any]) -> Any:
        try:
            await self._server.before(name, request)
            return work(request)
        except Refused as refusal:
            await context.abort(grpc.StatusCode.UNKNOWN, str(refusal))

    async def Search(self, request: Any, context: Any) -> Any:
        return await self._answer("Search", request, context, self._search)

    async def BatchObjects(self, request: Any, context: Any) -> Any:
        return await self._answer("BatchObjects", request, context, self._insert)

    async def BatchDelete(self, request: Any, context: Any) -> Any:
        return await self._answer("BatchDelete", request, context, self._delete)

    async def TenantsGet(self, request: Any, context: Any) -> Any:
        return await self._answer("TenantsGet", request, context, self._tenants)

    def _search(self, asked: search_pb.SearchRequest) -> search_pb.SearchReply:
        index, name = self._server.index, asked.collection
        among = {
            uid: one
            for uid, one in index.of(name, asked.tenant).items()
            if not asked.HasField("filters") or matches(index, name, asked.filters, uid, one)
        }
        far: dict[str, float] = {}
        scores: dict[str, float] = {}
        if asked.HasField("near_vector"):
            far = distances(among, asked_vector(asked.near_vector))
            order = sorted(far, key=lambda uid: far[uid])
        elif asked.HasField("bm25_search"):
            scores = bm25(index, name, among, asked.bm25_search.query, asked.bm25_search.properties)
            order = sorted(scores, key=lambda uid: -scores[uid])
        else:
            order = [uid for uid in sorted(among) if uid > asked.after]
        results = [_result(asked, uid, among[uid], far.get(uid), scores.get(uid)) for uid in order[: asked.limit or 10]]
        return search_pb.SearchReply(took=0.001, results=results)

    def _insert(self, asked: batch_pb.BatchObjectsRequest) -> batch_pb.BatchObjectsReply:
        errors = []
        for place, one in enumerate(asked.objects):
            try:
                self._put(one)
            except Refused as refusal:
                errors.append(batch_pb.BatchObjectsReply.BatchError(index=place, error=str(refusal)))
        return batch_pb.BatchObjectsReply(took=0.001, errors=errors)

    def _put(self, one: Any) -> None:
        place = self._server.index.of(one.collection, one.tenant)
        if one.uuid in self._server.refused:
            raise Refused("no space left on device")
        vector = floats(one.vectors[0].vector_bytes if one.vectors else one.vector_bytes)
        for other in place.values():
            if len(other.vector) != len(vector):
                raise Refused(f"new node has a vector with length {len(vector)}, others have {len(other.vector)}")
        place[str(uuid.UUID(one.uuid))] = Stored(dict(one.properties.non_ref_properties.items()), vector)

    def _delete(self, asked: delete_pb.BatchDeleteRequest) -> delete_pb.BatchDeleteReply:
        index, place = self._server.index, self._server.index.of(asked.collection, asked.tenant)
        found = [uid for uid, one in place.items() if matches(index, asked.collection, asked.filters, uid, one)]
        for uid in found[: self._server.deleted_max]:
            del place[uid]
        count = min(len(found), self._server.deleted_max)
        return delete_pb.BatchDeleteReply(took=0.001, matches=count, successful=count)

    def _tenants(self, asked: tenants_pb.TenantsGetRequest) -> tenants_pb.TenantsGetReply:
        self._server.index.named(asked.collection)
        known = self._server.index.tenants[asked.collection]
        names = list(asked.names.values) if asked.HasField("names") else list(known)
        found = [tenants_pb.Tenant(name=one, activity_status=_PB_STATES[known[one]]) for one in names if one in known]
        return tenants_pb.TenantsGetReply(took=0.001, tenants=found)


def _result(
    asked: search_pb.SearchRequest, uid: str, stored: Stored, distance: float | None, score: float | None
) -> search_pb.SearchResult:
    told = search_pb.MetadataResult(id=uid, id_as_bytes=uuid.UUID(uid).bytes)
    if distance is not None and asked.metadata.distance:
        told.distance, told.distance_present = distance, True
    if score is not None and asked.metadata.score:
        told.score, told.score_present = score, True
    if asked.metadata.vector:
        packed = struct.pack(f"<{len(stored.vector)}f", *stored.vector)
        told.vectors.append(
            base_pb.Vectors(name="default", vector_bytes=packed, type=base_pb.Vectors.VECTOR_TYPE_SINGLE_FP32)
        )
    wanted = asked.properties
    values = {
        key: properties_pb.Value(bool_value=value) if isinstance(value, bool) else properties_pb.Value(text_value=value)
        for key, value in stored.properties.items()
        if not asked.HasField("properties") or wanted.return_all_nonref_properties or key in wanted.non_ref_properties
    }
    kept = search_pb.PropertiesResult(
        non_ref_props=properties_pb.Properties(fields=values), target_collection=asked.collection
    )
    return search_pb.SearchResult(properties=kept, metadata=told)


@dataclass
class FakeWeaviate:
    """`async with FakeWeaviate() as fake:` serves at `fake.url` and `fake.grpc_url`.

    `refused` are ids that an insert fails for, `deleted_max` what one call deletes at most. `calls` are those that
    came, and `seen` is set with the first of a name; `held` holds up the calls of that name until it is set.
    """

    index: Index = field(default_factory=Index)
    refused: set[str] = field(default_factory=set)
    deleted_max: int = 10_000
    api_key: str = ""
    calls: list[str] = field(default_factory=list)
    seen: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    ports: tuple[int, int] = (0, 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def grpc_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    def stored(self, tenant: object) -> dict[str, Stored]:
        """A tenant's objects, of all collections."""
        return {
            uid: one for (_, of), some in self.index.objects.items() if of == str(tenant) for uid, one in some.items()
        }

    async def before(self, name: str, _request: Any) -> None:
        self.calls.append(name)
        self.seen[name].set()
        if name in self.held:
            await self.held[name].wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Also after `stop`, at the same addresses and with what was kept."""
        self._grpc = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        weaviate_pb2_grpc.add_WeaviateServicer_to_server(_Grpc(self), self._grpc)  # type: ignore[no-untyped-call]
        self._grpc.add_generic_rpc_handlers((_health(self),))
        grpc_port = self._grpc.add_insecure_port(f"127.0.0.1:{self.ports[1]}")
        await self._grpc.start()
        self._rest = web.AppRunner(_rest(self), access_log=None, shutdown_timeout=0.1)
        await self._rest.setup()
        await web.TCPSite(self._rest, "127.0.0.1", self.ports[0]).start()
        self.ports = self._rest.addresses[0][1], grpc_port

    async def stop(self) -> None:
        await self._grpc.stop(0)
        await self._rest.cleanup()


def _health(server: FakeWeaviate) -> Any:
    async def check(_request: Any, _context: Any) -> Any:
        await server.before("Health", None)
        return health_pb.WeaviateHealthCheckResponse(status=health_pb.WeaviateHealthCheckResponse.SERVING)

    method = grpc.unary_unary_rpc_method_handler(
        check, health_pb.WeaviateHealthCheckRequest.FromString, health_pb.WeaviateHealthCheckResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method})


def _rest(server: FakeWeaviate) -> web.Application:
    index = server.index

    @web.middleware
    async def asked(request: web.Request, handler: Any) -> web.StreamResponse:
        await server.before(f"{request.method} {request.path}", None)
        if server.api_key and request.headers.get("Authorization") != f"Bearer {server.api_key}":
            return _error(401, "anonymous access not enabled")
        try:
            answer: web.StreamResponse = await handler(request)
        except Refused as refusal:
            return _error(404 if "could not find" in str(refusal) else 422, str(refusal))
        return answer

    async def meta(_request: web.Request) -> web.Response:
        return web.json_response({"hostname": server.url, "modules": {}, "version": VERSION})

    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    async def schema(_request: web.Request) -> web.Response:
        return web.json_response({"classes": list(index.classes.values())})

    async def one_class(request: web.Request) -> web.Response:
        return web.json_response(index.named(request.match_info["name"]))

    async def create(request: web.Request) -> web.Response:
        made = await request.json()
        if made["class"] in index.classes:
            return _error(422, f"class name {made['class']} already exists")
        index.classes[made["class"]] = _completed(made)
        index.tenants[made["class"]] = {}
        return web.json_response(made)

    async def tenants(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        index.named(name)
        given = await request.json()
        for one in given:
            tenant = one if isinstance(one, str) else one["name"]
            if request.method == "DELETE":
                index.tenants[name].pop(tenant, None)
                index.objects.pop((name, tenant), None)
            elif request.method == "PUT" and tenant not in index.tenants[name]:
                raise Refused(f'tenant not found: "{tenant}"')
            else:
                index.tenants[name][tenant] = _STATES[one.get("activityStatus", "HOT")]
        return web.json_response(given)

    app = web.Application(middlewares=[asked], client_max_size=64 << 20)
    app.router.add_get("/v1/meta", meta)
    app.router.add_get("/v1/.well-known/ready", ready)
    app.router.add_get("/v1/schema", schema)
    app.router.add_post("/v1/schema", create)
    app.router.add_get("/v1/schema/{name}", one_class)
    for method in ("POST", "PUT", "DELETE"):
        app.router.add_route(method, "/v1/schema/{name}/tenants", tenants)
    return app


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": [{"message": message}]}, status=status)


def _completed(given: dict[str, Any]) -> dict[str, Any]:
    """With what a server adds and its client reads back."""
    inverted = {
        "bm25": {"b": 0.75, "k1": 1.2}, "cleanupIntervalSeconds": 60,
        "stopwords": {"preset": "en", "additions": None, "removals": None}, **(given.get("invertedIndexConfig") or {}),
    }  # fmt: skip
    replication = {"factor": 1, "asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution"}
    tenancy = {"enabled": False, "autoTenantCreation": False, "autoTenantActivation": False}
    tenancy |= given.get("multiTenancyConfig") or {}
    given |= {"invertedIndexConfig": inverted, "replicationConfig": replication, "multiTenancyConfig": tenancy}
    for prop in given["properties"]:
        text = prop["dataType"] == ["text"]
        given_or = {"indexFilterable": True, "indexSearchable": text, "indexRangeFilters": False}
        prop |= {name: prop[name] if prop.get(name) is not None else usual for name, usual in given_or.items()}
    for vectors in given["vectorConfig"].values():
        vectors["vectorIndexConfig"] = _HNSW | vectors.get("vectorIndexConfig", {})
    return given
