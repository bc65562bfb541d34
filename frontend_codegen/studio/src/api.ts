import { createFabulaClient, createSession } from '@fabula/client';

const url = new URL('/graphql', location.href).href;

export const session = createSession({ url, trustedDocuments: true });
/** Another person must not see what the cache of the last one holds, so each login has a client of its own. */
export const createClient = () =>
  createFabulaClient({ url, trustedDocuments: true, getToken: session.getToken, onUnauthenticated: session.renew });

/**
 * Document caching asks again for answers that hold a type which a mutation answered with. Empty lists hold none, and a
 * deletion or the start of a draft answers without what it changed: then the context says it.
 */
export const SHELF_CONTEXT = { additionalTypenames: ['Project'] };
export const PROJECT_CONTEXT = { additionalTypenames: ['OutlineNode', 'Chapter'] };
export const CODEX_CONTEXT = { additionalTypenames: ['CodexEntry'] };
export const CHANNEL_CONTEXT = { additionalTypenames: ['Channel'] };
export const CONVERSATION_CONTEXT = { additionalTypenames: ['Conversation', 'ConversationGroup'] };
export const MESSAGE_CONTEXT = { additionalTypenames: ['Conversation', 'Message'] };
export const ASSISTANT_CONTEXT = { additionalTypenames: ['Assistant', 'AssistantVersion'] };
export const KNOWLEDGE_CONTEXT = { additionalTypenames: ['KnowledgeBase', 'Document'] };
export const BUDGET_CONTEXT = { additionalTypenames: ['Budget'] };
export const WALLET_CONTEXT = { additionalTypenames: ['Wallet', 'Grant', 'LedgerEntry'] };
export const ALERT_CONTEXT = { additionalTypenames: ['WalletAlert'] };
export const AUTOMATIC_CONTEXT = { additionalTypenames: ['AutomaticTopUp'] };
export const INVOICE_CONTEXT = { additionalTypenames: ['Invoice'] };
export const DETAILS_CONTEXT = { additionalTypenames: ['BillingDetails'] };
export const PLAN_CONTEXT = {
  additionalTypenames: [
    'PlanSubscription',
    ...INVOICE_CONTEXT.additionalTypenames,
    ...WALLET_CONTEXT.additionalTypenames,
  ],
};

/** Where the API has a file whose path it answered with. */
export const fileUrl = (path: string) => new URL(path, url).href;

/** For idempotency keys. `crypto.randomUUID` exists only in secure contexts; a LAN address is not one. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16).padStart(8, '0')).join('');
}
