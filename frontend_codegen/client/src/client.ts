import { cacheExchange, Client, fetchExchange, makeOperation, mapExchange, subscriptionExchange } from '@urql/core';
import type { Client as SocketClient } from 'graphql-ws';

import { createAuthorizedFetch, createCredentials, type CredentialOptions } from './credentials.js';
import { subscribeResumable } from './resume.js';
import { createSocket } from './socket.js';
import { createTrustedDocuments, type TrustedDocuments } from './trusted.js';
import { watchGeneration, type WatchSink } from './watch.js';

export interface FabulaClientOptions extends CredentialOptions {
  /** The HTTP endpoint, for example https://example.org/graphql. */
  url: string;
  /** The WebSocket endpoint; by default `url` with its scheme changed. */
  wsUrl?: string;
  /** For users who belong to several tenants. */
  tenant?: string;
  /** Send the hashes of generated documents instead of their texts. Off by default. */
  trustedDocuments?: boolean;
  /** For tests and for runtimes without these. */
  fetch?: typeof fetch;
  webSocketImpl?: unknown;
}

export interface FabulaClient {
  readonly urql: Client;
  readonly socket: SocketClient;
  /** Whether the socket is connected; it connects with the first subscription. */
  readonly connected: boolean;
  onConnection(listener: (connected: boolean) => void): () => void;
  watchGeneration(id: string, sink: WatchSink): () => void;
  dispose(): void;
}

export function createFabulaClient(options: FabulaClientOptions): FabulaClient {
  const { url, tenant, wsUrl = url.replace(/^http/, 'ws') } = options;
  const credentials = createCredentials(options);
  const listeners = new Set<(connected: boolean) => void>();
  let connected = false;
  const onConnection = (now: boolean) => {
    connected = now;
    listeners.forEach((listener) => listener(now));
  };
  const socket = createSocket({ wsUrl, credentials, tenant, webSocketImpl: options.webSocketImpl, onConnection });
  const trusted = createTrustedDocuments(options.trustedDocuments ?? false);
  const authorizedFetch = createAuthorizedFetch(credentials, tenant, options.fetch);
  const urql = new Client({
    url,
    preferGetMethod: false,
    fetch: authorizedFetch,
    exchanges: [
      byHash(trusted, authorizedFetch),
      cacheExchange,
      fetchExchange,
      resumableSubscriptions(socket, trusted),
    ],
  });
  return {
    urql,
    socket,
    get connected() {
      return connected;
    },
    onConnection: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    watchGeneration: (id, sink) => watchGeneration(socket, credentials, id, sink, trusted),
    dispose: () => void socket.dispose(),
  };
}

/** Before the cache, which makes documents of its own: theirs have no hash. */
const byHash = (trusted: TrustedDocuments, base: typeof fetch) =>
  mapExchange({
    onOperation: (operation) =>
      operation.kind === 'teardown'
        ? operation
        : makeOperation(operation.kind, operation, {
            ...operation.context,
            fetch: trusted.fetch(operation.query, base),
            document: operation.query,
          }),
  });

const resumableSubscriptions = (socket: SocketClient, trusted: TrustedDocuments) =>
  subscriptionExchange({
    forwardSubscription: (request, operation) => ({
      subscribe: (sink) => {
        const { query = '', variables, operationName } = request;
        const payload = { query, ...(variables && { variables }), ...(operationName && { operationName }) };
        const document = (operation.context as { document?: object }).document ?? {};
        const receive = sink as Parameters<typeof subscribeResumable>[2];
        return { unsubscribe: subscribeResumable(socket, payload, receive, { trusted, document }) };
      },
    }),
  });
