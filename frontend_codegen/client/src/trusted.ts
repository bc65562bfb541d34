/**
 * Trusted documents: the hash that the code generator put into a document is sent instead of its text.
 *
 * A server that does not know the hash (an older or a newer one) executes nothing and says so; it is then sent the text,
 * and not asked for that hash again.
 */
const UNKNOWN = 'PERSISTED_DOCUMENT_NOT_FOUND';

export interface TrustedDocuments {
  /** `sha256:<hex>`; null for a document without a hash, and for one that the server does not know. */
  hashOf(document: object): string | null;
  /** Whether these errors say that the hash is not known; remembered for the next time. */
  isUnknown(hash: string, errors: unknown): boolean;
  /** A fetch that sends the hash of `document` in place of the `query` of the body. */
  fetch(document: object, base: typeof fetch): typeof fetch;
}

export function createTrustedDocuments(enabled: boolean): TrustedDocuments {
  const unknown = new Set<string>();
  const hashOf = (document: object) => {
    const hash = (document as { __meta__?: { hash?: unknown } }).__meta__?.hash;
    return enabled && typeof hash === 'string' && !unknown.has(hash) ? hash : null;
  };
  const isUnknown = (hash: string, errors: unknown) => {
    const found = Array.isArray(errors) && errors.some((error: GraphQLErrorLike) => error.extensions?.code === UNKNOWN);
    if (found) unknown.add(hash);
    return found;
  };
  const send = async (hash: string, base: typeof fetch, input: RequestInfo | URL, init: RequestInit | undefined) => {
    const body = JSON.parse(String(init?.body)) as Record<string, unknown>;
    const response = await base(input, {
      ...init,
      body: JSON.stringify({ ...body, query: undefined, documentId: hash }),
    });
    const text = await response.clone().text();
    if (!text.includes(`"${UNKNOWN}"`)) return response;
    return isUnknown(hash, (JSON.parse(text) as { errors?: unknown }).errors) ? base(input, init) : response;
  };
  return {
    hashOf,
    isUnknown,
    fetch: (document, base) => (input, init) => {
      const hash = hashOf(document);
      return hash === null ? base(input, init) : send(hash, base, input, init);
    },
  };
}

interface GraphQLErrorLike {
  extensions?: { code?: string };
}

/** The payload of a subscription with the hash in place of the text, in the way that graphql-ws has types for. */
export const persistedQuery = (hash: string) => ({
  query: '',
  extensions: { persistedQuery: { version: 1, sha256Hash: hash.replace('sha256:', '') } },
});
