export const CHANNELS_PATH = '/channels';
export const USAGE_PATH = '/usage';
export const WALLET_PATH = '/wallet';
export const BUDGETS_PATH = '/budgets';
export const INVOICES_PATH = '/invoices';
export const PLAN_PATH = '/plan';
export const ASSISTANTS_PATH = '/assistants';
export const assistantPath = (id: string) => `${ASSISTANTS_PATH}/${encodeURIComponent(id)}`;
export const KNOWLEDGE_PATH = '/knowledge';
export const basePath = (id: string) => `${KNOWLEDGE_PATH}/${encodeURIComponent(id)}`;
/** A span counts characters of the document's text, as the server does. */
export const documentPath = (id: string, span?: { start: number; end: number }) =>
  `/documents/${encodeURIComponent(id)}${span ? `?start=${span.start}&end=${span.end}` : ''}`;
export const CHAT_PATH = '/chat';
export const NEW_CHAT_PATH = '/chat/new';
export const newChatPath = (assistantId: string) => `${NEW_CHAT_PATH}?assistant=${encodeURIComponent(assistantId)}`;
export const SHARED_PATH = '/shared';
export const conversationPath = (id: string) => `${CHAT_PATH}/${encodeURIComponent(id)}`;
/** The token stands behind the #, which browsers do not send: no log of a server has it. */
export const sharedLink = (token: string) => `${location.origin}${SHARED_PATH}#${encodeURIComponent(token)}`;
/** The token of such a link, or nothing when it was cut off. */
export function tokenOf(hash: string): string {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return '';
  }
}
export const projectPath = (id: string) => `/projects/${encodeURIComponent(id)}`;
export const chapterPath = (projectId: string, id: string) =>
  `${projectPath(projectId)}/chapters/${encodeURIComponent(id)}`;
