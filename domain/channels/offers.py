"""Which channels offer what a generation needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.channels.entities import Channel, ChannelModel
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import ChannelId


@dataclass(frozen=True, slots=True)
class Offer:
    """A model through a channel."""

    channel: Channel
    model: ChannelModel


def offers_for(channels: Sequence[Channel], channel_id: ChannelId | None, model: str | None) -> list[Offer]:
    """The likeliest first; all have one public model. A channel that is asked for by its id is the only one.

    A model that no channel lists is asked of the default one by the name given: many servers have hundreds. Raises
    NotFound for a channel that is not among them, and Rejected when there are none.
    """
    if not channels:
        raise Rejected(ErrorCode.NO_CHANNEL, "No model channel is set up yet.")
    if channel_id is not None:
        return [_pinned(channels, channel_id, model)]
    name = model or default_of(channels).models[0].name
    found = [Offer(one, offered) for one in channels if (offered := one.model_named(name)) is not None]
    if not found:
        return [_pinned(channels, default_of(channels).id, model)]
    return sorted(found, key=lambda one: (-one.channel.priority, -one.channel.weight))


def every_offer(channels: Sequence[Channel]) -> list[Offer]:
    """Every model of every channel: a routing policy may go from one model to another."""
    return [Offer(channel, model) for channel in channels for model in channel.models]


def _pinned(channels: Sequence[Channel], channel_id: ChannelId, model: str | None) -> Offer:
    channel = next((one for one in channels if one.id == channel_id), None)
    if channel is None:
        raise NotFound("The channel", "input", "channelId")
    first = channel.models[0]
    if model is None:
        return Offer(channel, first)
    return Offer(channel, channel.model_named(model) or ChannelModel(model, model, first.context_window))


def default_of(channels: Sequence[Channel]) -> Channel:
    """The tenant's default before the platform's, then whichever comes first."""
    return next((one for one in channels if one.is_default), channels[0])
