"""Links to read along, and what they show to people who are not known here."""

from typing import Annotated, Any

import strawberry

from domain.accounts import Permission
from domain.conversations import sharing
from domain.conversations.exporting import by_message
from domain.errors import NotFound
from domain.ids import MessageId, ShareId
from persistence.conversations import reads
from resolvers.conversations.shelves import conversation_id_of
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from resolvers.services import Services
from schema.base import Connection
from schema.batched import After, Call, First, columns_of
from schema.context import Info
from schema.conversations import inputs as types
from schema.conversations.types import (
    ConversationShare,
    LastMessages,
    SharedCitation,
    SharedConversation,
    SharedMessage,
    check_last,
)  # fmt: skip
from schema.cost import Cost
from schema.ids import decode_id, decode_optional


@strawberry.type
class SharedQueries:
    @strawberry.field(
        description="Every link to read along that the tenant's members have made, newest first, also those that have "
        "ended. For administrators, who see nothing of what they show."
    )
    async def conversation_shares(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[ConversationShare]:
        info.context.actor.require(Permission.ADMIN)
        columns = columns_of(info, "ConversationShare", "edges", "node")
        return await info.context.reads.listed(Call(reads.TENANT_SHARES), first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(
        description="What a link shows, to anybody; null when it does not hold, or no longer.",
        directives=[Cost(weight=20)],
    )
    async def shared_conversation(
        self,
        info: Info,
        token: Annotated[str, strawberry.argument(description="The link's token.")],
        last: LastMessages = reads.PATH_DEFAULT,
    ) -> SharedConversation | None:
        services: Services = info.context.services
        check_last(last)
        try:
            tenant_id = sharing.tenant_of(token)
            async with services.units(tenant_id) as uow:
                conversation, share = await sharing.opened(uow, token)
        except NotFound:
            return None
        ids = {"ids": [conversation.id]}
        path: list[Any] = await services.database.shaped(
            tenant_id, reads.SHARED_PATH, leaf=share.leaf_id, last=last, **ids
        )
        cited = by_message(await services.database.shaped(tenant_id, reads.CITED, ids=[one.id for one in path]))
        return SharedConversation(
            title=conversation.title, expires_at=share.expires_at,
            messages=[_shown(one, cited.get(one.id, [])) for one in path],
        )  # fmt: skip


def _shown(message: Any, own: list[Any]) -> SharedMessage:
    return SharedMessage(
        role=message.role, state=message.state, text=message.text,
        citations=[
            SharedCitation(marker=one.marker, quote=one.quote, document_title=one.title or "") for one in own
        ],
    )  # fmt: skip


@strawberry.type
class ShareMutations:
    @strawberry.mutation(description="Make a link that lets anybody who has it read a path of a conversation.")
    @refusals_as(types.ConversationShareCreatePayload)
    async def conversation_share_create(
        self, info: Info, input: types.ConversationShareCreateInput
    ) -> types.ConversationShareCreatePayload:
        actor = info.context.actor
        conversation_id = conversation_id_of(input.conversation_id, "conversationId")
        leaf_id = decode_optional("Message", input.leaf_id, "leafId")
        async with info.context.services.units(actor.tenant_id) as uow:
            made = await sharing.share(uow, actor, conversation_id, MessageId(leaf_id) if leaf_id else None, input.days)
            subject = "ConversationShare", made.share.id
            await audited(info, uow, "conversation_share.create", subject, {"days": input.days})
        shown = await fresh(info, "ConversationShare", made.share.id)
        return types.ConversationShareCreatePayload(share=shown, token=made.token)

    @strawberry.mutation(
        description="Take a link back, your own or as an administrator anybody's: it shows nothing from now on."
    )
    @refusals_as(types.ConversationShareRevokePayload)
    async def conversation_share_revoke(
        self, info: Info, input: types.ConversationShareRevokeInput
    ) -> types.ConversationShareRevokePayload:
        actor, share_id = info.context.actor, ShareId(decode_id("ConversationShare", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await sharing.revoke(uow, actor, share_id)
            await audited(info, uow, "conversation_share.revoke", ("ConversationShare", share_id))
        return types.ConversationShareRevokePayload(share=await fresh(info, "ConversationShare", share_id))
