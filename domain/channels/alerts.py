"""Who keeps a tenant's channels is told when one of them dies, and when it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.accounts import Permission
from domain.channels.entities import Channel
from domain.channels.health import Turn
from domain.operations.mail_texts import MailTemplate
from domain.operations.mails import write_mail
from domain.operations.notifications import NotificationKind, notify
from domain.operations.webhooks import WebhookEvent, publish

if TYPE_CHECKING:
    from domain.unit_of_work import UnitOfWork

_TOLD = {
    Turn.OPENED: (NotificationKind.CHANNEL_DOWN, MailTemplate.CHANNEL_DOWN, WebhookEvent.CHANNEL_DOWN),
    Turn.CLOSED: (NotificationKind.CHANNEL_BACK, MailTemplate.CHANNEL_BACK, WebhookEvent.CHANNEL_BACK),
}


async def tell_turn(uow: UnitOfWork, channel: Channel, model: str, turn: Turn, error: str | None) -> None:
    """By notification, mail and webhook. `error` is the code of the failure that opened the breaker."""
    kind, template, event = _TOLD[turn]
    said = {"channel": channel.name, "model": model, "error": error or ""}
    for user in await notify(uow, Permission.ADMIN, kind, said):
        await write_mail(uow, user, template, {"name": user.display_name, **said})
    await publish(uow, event, {"channelId": str(channel.id), **said})
