import { cacheExchange, Client, fetchExchange, subscriptionExchange } from '@urql/core';
import type { Client as SocketClient } from 'graphql-ws';

import { createAuthorizedFetch, createCredentials, type CredentialOptions } from './credentials.js';
import { subscribeResumable } from './resume.js';
import { createSocket } from './socket.js';
import { watchGeneration, type WatchSink } from './watch.js';

export interface FabulaClientOptions extends CredentialOptions {
  /** The HTTP endpoint, for example https://example.org/graphql. */
  url: string;
  /** The WebSocket endpoint; by default `url` with its scheme changed. */
  wsUrl?: string;
  /** For users who belong to several tenants. */
  tenant?: string;
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
  const urql = new Client({
    url,
    preferGetMethod: false,
    fetch: createAuthorizedFetch(credentials, tenant, options.fetch),
    exchanges: [cacheExchange, fetchExchange, resumableSubscriptions(socket)],
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
    watchGeneration: (id, sink) => watchGeneration(socket, credentials, id, sink),
    dispose: () => void socket.dispose(),
  };
}

const resumableSubscriptions = (socket: SocketClient) =>
  subscriptionExchange({
    forwardSubscription: (request) => ({
      subscribe: (sink) => {
        const { query = '', variables, operationName } = request;
        const payload = { query, ...(variables && { variables }), ...(operationName && { operationName }) };
        return { unsubscribe: subscribeResumable(socket, payload, sink as Parameters<typeof subscribeResumable>[2]) };
      },
    }),
  });
