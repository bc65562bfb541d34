"""Which channels offer what a generation needs, and may be taken for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.channels.entities import Channel, ChannelModel
from domain.channels.policy import Policy
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import ChannelId

ANY_MODEL = "any_model"
"""An option of the platform's channels: models that they do not list may be asked of them by name."""


OWN_CHANNEL = "@own"
"""What prices call every channel that is a tenant's own: tenants give theirs any name."""


def price_name(channel: Channel | None) -> str:
    """What prices call a channel; one that is not known any more is nobody's own."""
    if channel is None:
        return ""
    return channel.name if channel.of_platform else OWN_CHANNEL


@dataclass(frozen=True, slots=True)
class Offer:
    """A model through a channel."""

    channel: Channel
    model: ChannelModel

    @property
    def priced_as(self) -> tuple[str, str]:
        """The model and channel that a price is looked up by."""
        return self.model.name, price_name(self.channel)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a generation of `model` may take, the likeliest first. `pinned`: the one offer, whatever the policy says."""

    model: str
    offers: list[Offer]
    pinned: bool


def offered(channels: Sequence[Channel], policy: Policy, channel_id: ChannelId | None, model: str | None) -> Offered:
    """Raises NotFound for a channel that is not among them, and Rejected when none offers the model.

    A model that no channel lists is asked of the default one by the name given, if it takes such: many servers have
    hundreds.
    """
    if channel_id is not None and channels:
        channel = next((one for one in channels if one.id == channel_id), None)
        if channel is None:
            raise NotFound("The channel", "input", "channelId")
        return _pinned(channel, model)
    channels = [one for one in channels if one.writers]
    if not channels:
        raise Rejected(ErrorCode.NO_CHANNEL, "No model channel is set up yet.")
    standard = default_of(channels)
    name = model or standard.writers[0].name
    if not any(_writer(one, name) for one in channels):
        return _pinned(standard, name)
    offers = list(_within(channels, policy, name))
    if not offers:
        raise Rejected(ErrorCode.NO_CHANNEL, "The routing policy leaves no channel for this model.", "input", "model")
    return Offered(name, offers, pinned=False)


def considered(channels: Sequence[Channel], policy: Policy, model: str) -> list[Offer]:
    """All that a decision looks at, also what the policy keeps out: each is explained."""
    names = {model}.union(*(part.models for part in policy.chain()))
    return [Offer(channel, one) for channel in channels for one in channel.writers if one.name in names]


def _within(channels: Sequence[Channel], policy: Policy, model: str) -> Iterator[Offer]:
    """What the policy and its fallbacks let pass, in their order."""
    ranked = sorted(channels, key=lambda one: (-one.priority, -one.weight))
    seen: set[tuple[ChannelId, str]] = set()
    for part in policy.chain():
        for channel in ranked:
            if not part.lets_pass(channel.id, frozenset(channel.groups), channel.region):
                continue
            for one in channel.writers:
                if one.name in (part.models or {model}) and (channel.id, one.name) not in seen:
                    seen.add((channel.id, one.name))
                    yield Offer(channel, one)


def _pinned(channel: Channel, model: str | None) -> Offered:
    if not channel.writers:
        raise Rejected(ErrorCode.NO_CHANNEL, "No model of this channel writes.", "input", "channelId")
    first = channel.writers[0]
    listed = first if model is None else _writer(channel, model)
    if listed is None and channel.of_platform and ANY_MODEL not in channel.options:
        raise Rejected(ErrorCode.NO_CHANNEL, "No channel offers this model.", "input", "model")
    asked = listed or ChannelModel(model or first.name, model or first.upstream, first.context_window)
    return Offered(asked.name, [Offer(channel, asked)], pinned=True)


def _writer(channel: Channel, name: str) -> ChannelModel | None:
    return next((one for one in channel.writers if one.name == name), None)


def default_of(channels: Sequence[Channel]) -> Channel:
    """The tenant's default before the platform's, then whichever comes first."""
    return next((one for one in channels if one.is_default), channels[0])
