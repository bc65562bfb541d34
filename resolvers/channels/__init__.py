"""Root fields of the channels room: make, change, try and watch channels."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import strawberry

from domain.accounts import Permission
from domain.channels import service as domain
from domain.channels.entities import PLATFORM_TENANT, WINDOW_TOKENS, ChannelModel
from domain.channels.policy import parse_policy, policy_json
from domain.channels.service import ChannelDraft, current_policy
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import ChannelId, TenantId
from domain.plans.entities import Feature
from domain.unit_of_work import UnitOfWork
from persistence.channels import reads
from resolvers.channels.health import watched
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema import channels as types
from schema.base import Connection
from schema.batched import After, First
from schema.context import Context, Info
from schema.cost import Cost
from schema.ids import decode_id
from schema.routing import (
    RoutingPolicy,
    RoutingPolicyInput,
    RoutingPolicySetInput,
    RoutingPolicySetPayload,
    routing_policy,
)

_LOGGED = (
    "name", "provider", "models", "groups", "region", "weight", "priority", "requests_per_minute", "tokens_per_minute",
    "concurrency", "cancel_policy", "api_version", "model_path", "enabled", "is_default", "platform",
)  # fmt: skip
"""What of a channel's input the audit log takes as it is."""

ChannelIds = Annotated[
    list[strawberry.ID] | None, strawberry.argument(description="Only these; every channel that one sees without.")
]


@strawberry.type
class ChannelQueries:
    @strawberry.field(description="The tenant's channels and the platform's, by name.")
    async def channels(self, info: Info, first: First = 20, after: After = None) -> Connection[types.Channel]:
        context = info.context
        context.reader()
        return await context.reads.page(  # type: ignore[attr-defined,no-any-return]
            reads.channel_rows(context.actor.tenant_id), reads.CHANNELS, first, after
        )

    @strawberry.field(description="How the tenant's generations are routed over channels.")
    async def routing_policy(self, info: Info) -> RoutingPolicy:
        info.context.reader()
        async with info.context.services.units(info.context.actor.tenant_id) as uow:
            return routing_policy(await current_policy(uow.channels))


@strawberry.type
class ChannelMutations:
    @strawberry.mutation(description="Make a channel.")
    @refusals_as(types.ChannelCreatePayload)
    async def channel_create(self, info: Info, input: types.ChannelCreateInput) -> types.ChannelCreatePayload:
        home = domain.home_of(info.context.actor, platform=input.platform)
        draft = _draft(input, models=_models(input.models, input.model_details), provider=input.provider)
        services = info.context.services
        async with services.units(home) as uow:
            if home != PLATFORM_TENANT:
                await services.gatekeeper.require(uow.plans, Feature.OWN_CHANNELS)
            channel = await domain.create_channel(uow.channels, home, services.channels.keeper, draft)
            await _log(info, uow, "channel.create", channel.id, _decided(input))
        await services.channels.health.tell_of_new(home)
        return types.ChannelCreatePayload(channel=await fresh(info, "Channel", channel.id))

    @strawberry.mutation(description="Change a channel. Generations under way go on as they began.")
    @refusals_as(types.ChannelUpdatePayload)
    async def channel_update(self, info: Info, input: types.ChannelUpdateInput) -> types.ChannelUpdatePayload:
        channel_id = _channel_id(input.id)
        home = await _home(info, channel_id)
        models = _models(input.models, input.model_details) if input.models is not None else None
        services = info.context.services
        async with services.units(home) as uow:
            channel, another_way = await domain.update_channel(
                uow.channels, home, services.channels.keeper, channel_id, _draft(input, models=models), uow.now
            )
            await _log(info, uow, "channel.update", channel_id, _decided(input))
        for model in channel.models if another_way else ():
            await services.channels.health.forget(channel_id, model.upstream)
        return types.ChannelUpdatePayload(channel=await fresh(info, "Channel", channel_id))

    @strawberry.mutation(description="Say how generations are routed from now on.")
    @refusals_as(RoutingPolicySetPayload)
    async def routing_policy_set(self, info: Info, input: RoutingPolicySetInput) -> RoutingPolicySetPayload:
        home = domain.home_of(info.context.actor, platform=input.platform)
        policy = parse_policy(_policy_json(input.policy), "input", "policy")
        async with info.context.services.units(home) as uow:
            await domain.set_policy(uow.channels, policy)
            await _log(
                info, uow, "routing_policy.set", None, {"platform": input.platform, "policy": policy_json(policy)}
            )
        return RoutingPolicySetPayload(routing_policy=routing_policy(policy))

    @strawberry.mutation(description="Delete a channel and its key.")
    @refusals_as(types.ChannelDeletePayload)
    async def channel_delete(self, info: Info, input: types.ChannelDeleteInput) -> types.ChannelDeletePayload:
        channel_id = _channel_id(input.id)
        home = await _home(info, channel_id)
        async with info.context.services.units(home) as uow:
            channel = await domain.delete_channel(uow.channels, home, channel_id, uow.now)
            await _log(info, uow, "channel.delete", channel_id, {"name": channel.name})
        return types.ChannelDeletePayload(deleted_id=input.id)

    @strawberry.mutation(
        description="Make a short call through a channel, on or off, and say how it went.", directives=[Cost(weight=50)]
    )
    @refusals_as(types.ChannelTestPayload)
    async def channel_test(self, info: Info, input: types.ChannelTestInput) -> types.ChannelTestPayload:
        channel_id = _channel_id(input.id)
        home = await _home(info, channel_id)
        services = info.context.services
        async with services.units(home) as uow:
            channel = await domain.own_channel(uow.channels, home, channel_id)
            model = channel.models[0] if input.model is None else channel.model_named(input.model)
            if model is None:
                raise NotFound("The model", "input", "model")
            await _log(info, uow, "channel.test", channel_id, {"model": model.name})
        found = await services.channels.try_out(channel, model)
        return types.ChannelTestPayload(
            ok=found.error_code is None, text=found.text, first_token_ms=found.first_token_ms, total_ms=found.total_ms,
            error_code=found.error_code, error_message=found.error_message,
            channel=await fresh(info, "Channel", channel_id),
        )  # fmt: skip


@strawberry.type
class ChannelSubscriptions:
    @strawberry.subscription(
        description="The health of channels: how each of them is, and every change from then on. Changes that come "
        "faster than they are read are left out but for the last."
    )
    async def channel_health(
        self, info: strawberry.Info[Context, None], channel_ids: ChannelIds = None
    ) -> AsyncIterator[types.ChannelHealthEvent]:
        context: Context = info.context
        context.reader()
        wanted = {decode_id("Channel", one, "channelIds") for one in channel_ids} if channel_ids is not None else None
        async with aclosing(watched(context, wanted)) as events:
            async for event in events:
                yield event


def _channel_id(value: strawberry.ID) -> ChannelId:
    return ChannelId(decode_id("Channel", value))


async def _home(info: Info, channel_id: ChannelId) -> TenantId:
    """Whose channel it is, once the caller may change it. Raises Forbidden and NotFound."""
    actor = info.context.actor
    if Permission.PLATFORM not in actor.permissions:
        actor.require(Permission.ADMIN)
    row: Any = await info.context.reads.one("Channel", UUID(bytes=channel_id.bytes))
    if row is None:
        raise NotFound("The channel", "input", "id")
    return domain.home_of(actor, platform=row.tenant_id == PLATFORM_TENANT)


async def _log(
    info: Info, uow: UnitOfWork, action: str, channel_id: ChannelId | None, details: Mapping[str, Any]
) -> None:
    """Enter what is done into the log of the caller's own tenant; what is done to no channel is done to the tenant.

    The platform has no log: of its channels it is written, in a transaction of its own, before the change is kept.
    """
    tenant_id = info.context.actor.tenant_id
    subject = ("Channel", channel_id) if channel_id is not None else ("Tenant", tenant_id)
    if uow.tenant_id == tenant_id:
        await audited(info, uow, action, subject, details)
        return
    async with info.context.services.units(tenant_id) as own:
        await audited(info, own, action, subject, details)


def _decided(input: types.ChannelCreateInput | types.ChannelUpdateInput) -> dict[str, Any]:
    """What a person has decided, for the log: of an address where it leads, of a key whether there is one."""
    said = {name: getattr(input, name, None) for name in _LOGGED}
    said["host"] = urlsplit(input.base_url).netloc if input.base_url else input.base_url
    said["credential"] = bool(input.api_key) if input.api_key is not None else None
    return {name: value for name, value in said.items() if value is not None}


def _policy_json(input: RoutingPolicyInput) -> dict[str, Any]:
    return {
        "strategy": input.strategy.value, "groups": input.groups or [], "regions": input.regions or [],
        "models": input.models or [], "sticky": input.sticky,
        "excluded": [str(decode_id("Channel", one, "excluded")) for one in input.excluded or ()],
        "fallback": _policy_json(input.fallback) if input.fallback else None,
    }  # fmt: skip


def _options(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _models(names: Sequence[str], details: Sequence[types.ChannelModelInput] | None) -> list[ChannelModel]:
    """Raises Rejected for details of a model that is not named."""
    known = {one.name: one for one in details or ()}
    if strangers := known.keys() - set(names):
        message = f"These are not among the models: {', '.join(sorted(strangers))[:200]}."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "modelDetails")
    return [_model(name, known.get(name)) for name in names]


def _model(name: str, said: types.ChannelModelInput | None) -> ChannelModel:
    if said is None:
        return ChannelModel(name, name)
    window = WINDOW_TOKENS if said.context_window is None else said.context_window
    return ChannelModel(
        name, said.upstream or name, window, said.max_output_tokens, tuple(said.modalities), said.tokenizer
    )


def _draft(
    input: types.ChannelCreateInput | types.ChannelUpdateInput, *, models: Sequence[ChannelModel] | None,
    provider: Any = None,
) -> ChannelDraft:  # fmt: skip
    return ChannelDraft(
        name=input.name, provider=provider, base_url=input.base_url, api_key=input.api_key, models=models,
        groups=input.groups, region=input.region, weight=input.weight, priority=input.priority,
        requests_per_minute=input.requests_per_minute, tokens_per_minute=input.tokens_per_minute,
        concurrency=input.concurrency, cancel_policy=input.cancel_policy, enabled=input.enabled,
        options=_options(api_version=input.api_version, model_path=input.model_path),
        is_default=input.is_default,
    )  # fmt: skip
