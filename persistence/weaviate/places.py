"""A tenant's place in a collection: made and woken on demand, never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.ids import TenantId
from domain.knowledge.vectors import IndexKey
from persistence.weaviate.collections import create, index_of, name_of
from persistence.weaviate.failures import IndexRefused, heard
from persistence.weaviate.link import QUERY_S, WRITE_S, Link

if TYPE_CHECKING:
    from weaviate.collections import CollectionAsync

    Place = CollectionAsync[Any, Any]


class Places:
    def __init__(self, link: Link) -> None:
        self._link = link

    async def of(self, tenant_id: TenantId, index: IndexKey) -> Place:
        """Where to look. Whether it is there, the call will tell."""
        client = await self._link.client()
        return client.collections.use(name_of(index)).with_tenant(str(tenant_id))

    async def indexes(self, tenant_id: TenantId) -> list[IndexKey]:
        """Those in which the tenant has a place."""
        client = await self._link.client()
        found = []
        async with heard(WRITE_S):
            for name, told in (await client.collections.list_all(simple=True)).items():
                index = index_of(name, told.description)
                if index and await client.collections.use(name).tenants.get_by_names([str(tenant_id)]):
                    found.append(index)
        return found

    async def make(self, tenant_id: TenantId, index: IndexKey) -> Place:
        """The tenant's place, awake; made when there was none. Somebody else may be making it at the same time."""
        client = await self._link.client()
        name = name_of(index)
        async with heard(WRITE_S):
            exists = await client.collections.exists(name)
        if not exists:
            try:
                async with heard(WRITE_S):
                    await create(client, index)
            except IndexRefused as error:
                if "already exists" not in str(error):
                    raise
        async with heard(WRITE_S):
            tenants = client.collections.use(name).tenants
            known = await tenants.get_by_names([str(tenant_id)])
            if not known:
                await tenants.create(str(tenant_id))
            elif any(one.activity_status.value != "ACTIVE" for one in known.values()):
                await tenants.activate(str(tenant_id))
        return await self.of(tenant_id, index)

    async def wake(self, tenant_id: TenantId, index: IndexKey) -> None:
        client = await self._link.client()
        async with heard(QUERY_S):
            await client.collections.use(name_of(index)).tenants.activate(str(tenant_id))

    async def drop(self, tenant_id: TenantId) -> None:
        """All that is kept of a tenant."""
        client = await self._link.client()
        for index in await self.indexes(tenant_id):
            async with heard(WRITE_S):
                await client.collections.use(name_of(index)).tenants.remove(str(tenant_id))
