import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit';
import { getOperationAST, OperationTypeNode, parse } from 'graphql';
import { type Client, createClient } from 'graphql-ws';

type Headers = Record<string, string>;

/**
 * HTTP for queries and mutations, graphql-transport-ws for subscriptions, both with what the headers editor says: the
 * headers of a request are the `connection_init` payload of the socket, and changed headers open another socket.
 */
export function createFetcher(endpoint: string): Fetcher {
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
    const document = options?.documentAST ?? parse(params.query);
    const operation = getOperationAST(document, params.operationName);
    if (operation?.operation !== OperationTypeNode.SUBSCRIPTION) return http(params, options);
    const { query, operationName } = params;
    const variables = (params.variables ?? {}) as Record<string, unknown>;
    const request = { query, variables, ...(operationName && { operationName }) };
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
