import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { getOperationAST, OperationTypeNode, parse } from 'graphql';
import { type Client, createClient } from 'graphql-ws';

type Headers = Record<string, string>;

/** Which document is to be sent as its hash: the next one, when its text is still what was announced. */
export interface ByDocumentId {
  next(text: string, hash: string): void;
  take(text: string): string | null;
}

export function createByDocumentId(): ByDocumentId {
  let announced: { text: string; hash: string } | null = null;
  return {
    next: (text, hash) => {
      announced = { text, hash };
    },
    take: (text) => {
      const found = announced?.text === text ? announced.hash : null;
      announced = null;
      return found;
    },
  };
}

/**
 * HTTP for queries and mutations, graphql-transport-ws for subscriptions, both with what the headers editor says: the
 * headers of a request are the `connection_init` payload of the socket, and changed headers open another socket.
 */
export function createFetcher(endpoint: string, byDocumentId: ByDocumentId): Fetcher {
  const http = createGraphiQLFetcher({ url: endpoint });
  const wsUrl = new URL(endpoint, location.href).href.replace(/^http/, 'ws');
  let socket: { key: string; client: Client } | null = null;

  const socketFor = (headers: Headers): Client => {
    const connectionParams = initPayload(headers);
    const key = JSON.stringify(connectionParams);
    if (socket?.key !== key) {
      void socket?.client.dispose();
      socket = { key, client: createClient({ url: wsUrl, connectionParams, retryAttempts: 0 }) };
    }
    return socket.client;
  };
  return (params, options) => {
    const hash = byDocumentId.take(params.query);
    // GraphiQL reads a text that was put into its editor some time later, and until then says what was there before.
    const document = hash === null ? (options?.documentAST ?? parse(params.query)) : parse(params.query);
    const operation = getOperationAST(document, hash === null ? params.operationName : null);
    const variables = (params.variables ?? {}) as Record<string, unknown>;
    if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) {
      // The toolkit posts what it is given as it is; its type does not know of documentId.
      const named = { documentId: hash, variables } as unknown as typeof params;
      return http(hash === null ? params : named, { ...options, documentAST: document });
    }
    const { query, operationName } = params;
    const request =
      hash === null
        ? { query, variables, ...(operationName && { operationName }) }
        : { query: '', variables, extensions: { persistedQuery: { version: 1, sha256Hash: hash.slice(7) } } };
    return readable(socketFor((options?.headers ?? {}) as Headers).iterate(request)) as ReturnType<Fetcher>;
  };
}

/** Header names are case-insensitive, the keys of connection_init are not; X-Tenant is called tenant there. */
function initPayload(headers: Headers): Headers {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return Object.fromEntries(lower.map(([name, value]) => [name === 'x-tenant' ? 'tenant' : name, value]));
}

/** A closed socket is thrown as a CloseEvent, which the result pane would show as `{"isTrusted": true}`. */
async function* readable<T>(results: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* results;
  } catch (reason) {
    if (!(reason instanceof CloseEvent)) throw reason;
    throw new Error(`The server closed the connection: ${reason.code} ${reason.reason}`.trim());
  }
}
