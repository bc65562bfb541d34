import { type Client as SocketClient, createClient } from 'graphql-ws';

import type { Credentials } from './credentials.js';

export interface SocketOptions {
  wsUrl: string;
  credentials: Credentials;
  tenant?: string | undefined;
  webSocketImpl?: unknown;
  /** Called with true when connected and false when the connection was lost. */
  onConnection?: (connected: boolean) => void;
}

const PING_EVERY_MS = 10_000;
const PONG_WITHIN_MS = 5_000;
const RETRY_MS_MAX = 8_000;

/** The server ends a connection with these when its token is refused (4401) or has run out (4403). */
export const isUnauthorized = (reason: unknown): boolean => [4401, 4403].includes(closeCode(reason));

export function closeCode(reason: unknown): number {
  const code = (reason as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : 0;
}

/** graphql-ws does not try again after this code. */
const CLIENT_FAULT = 4005;

/** For Node before 22: queries and mutations need no socket, so only a subscription may fail for want of one. */
class NoWebSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly readyState = NoWebSocket.CLOSED;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor() {
    const reason = 'This runtime has no WebSocket: give webSocketImpl.';
    queueMicrotask(() => this.onclose?.({ code: CLIENT_FAULT, reason }));
  }

  close(): void {}
}

/** A graphql-transport-ws connection that reconnects for ever, with fresh credentials when the server asks for them. */
export function createSocket(options: SocketOptions): SocketClient {
  const { credentials, tenant, onConnection } = options;
  let refused = false;
  let pong: ReturnType<typeof setTimeout> | undefined;
  const socket = createClient({
    url: options.wsUrl,
    webSocketImpl: options.webSocketImpl ?? globalThis.WebSocket ?? NoWebSocket,
    lazy: true,
    keepAlive: PING_EVERY_MS,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    retryWait,
    connectionParams: async () => {
      if (refused) await credentials.renew();
      const token = await credentials.token();
      return { ...(token && { authorization: `Bearer ${token}` }), ...(tenant && { tenant }) };
    },
    on: {
      connected: () => {
        refused = false;
        onConnection?.(true);
      },
      closed: (reason) => {
        clearTimeout(pong);
        refused = isUnauthorized(reason);
        onConnection?.(false);
      },
      // A half-open connection never closes by itself: a ping without its pong ends it, and the retry resumes.
      ping: (received) => {
        if (!received) pong = setTimeout(() => socket.terminate(), PONG_WITHIN_MS);
      },
      pong: (received) => {
        if (received) clearTimeout(pong);
      },
    },
  });
  return socket;
}

/** Exponential backoff with jitter, cut short when the browser says that the network is back. */
export async function retryWait(retries: number): Promise<void> {
  const delay = Math.min(250 * 2 ** retries, RETRY_MS_MAX) * (0.5 + Math.random() / 2);
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.('online', done);
      resolve();
    };
    const timer = setTimeout(done, delay);
    globalThis.addEventListener?.('online', done);
  });
}
