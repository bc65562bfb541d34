/**
 * A person's login in a browser: the refresh token is kept for all tabs, the access token for this one.
 *
 * A reload keeps the access token. Were it lost, each reload would refresh, and one that is interrupted by the next
 * reload would leave a used refresh token behind.
 *
 * Refresh tokens rotate and a used one is refused (and ends every session of its family), so only one tab may refresh
 * at a time: the Web Locks API holds the others back, and each reads the stored token again once it has the lock.
 */
import { stringifyDocument } from '@urql/core';

import { LogoutDocument, RefreshDocument, type RefreshMutation, type TokenPartsFragment } from './generated/graphql.js';
import { createTrustedDocuments } from './trusted.js';

export interface SessionOptions {
  url: string;
  /** For the refresh token; by default localStorage. */
  storage?: Storage;
  /** For the access token; by default sessionStorage. */
  tabStorage?: Storage;
  storageKey?: string;
  fetch?: typeof fetch;
  /** Send the hashes of documents instead of their texts. Off by default. */
  trustedDocuments?: boolean;
}

export interface Session {
  /** Whether there is something to log in with; the server may still refuse it. */
  readonly signedIn: boolean;
  getToken(): Promise<string | null>;
  renew(): Promise<boolean>;
  accept(tokens: TokenPartsFragment): void;
  signOut(): Promise<void>;
  subscribe(listener: () => void): () => void;
}

interface Access {
  token: string;
  /** Milliseconds since 1970; null when this clock cannot be trusted to know. */
  renewAt: number | null;
}

/** Renew this long before the token runs out, so that a request does not meet the end of its token on the way. */
const EARLY_MS = 20_000;

export function createSession(options: SessionOptions): Session {
  const { url, storage = localStorage, tabStorage = sessionStorage, storageKey = 'fabula.session' } = options;
  const trusted = createTrustedDocuments(options.trustedDocuments ?? false);
  const send = (document: object) => trusted.fetch(document, options.fetch ?? fetch);
  const listeners = new Set<() => void>();
  let access = JSON.parse(tabStorage.getItem(storageKey) ?? 'null') as Access | null;
  let renewal: Promise<boolean> | null = null;

  const notify = () => listeners.forEach((listener) => listener());
  const accept = (tokens: TokenPartsFragment) => {
    const left = Date.parse(tokens.accessTokenExpiresAt) - Date.now();
    // A clock that is wrong by more than the token's life would renew before every request: then only a refusal does.
    access = { token: tokens.accessToken, renewAt: left > EARLY_MS ? Date.now() + left - EARLY_MS : null };
    tabStorage.setItem(storageKey, JSON.stringify(access));
    storage.setItem(storageKey, tokens.refreshToken);
    notify();
  };
  const forget = () => {
    access = null;
    tabStorage.removeItem(storageKey);
    storage.removeItem(storageKey);
    notify();
  };
  const refresh = async (): Promise<boolean> => {
    const refreshToken = storage.getItem(storageKey);
    if (!refreshToken) return false;
    const answer = await post<RefreshMutation>(send(RefreshDocument), url, RefreshDocument, refreshToken);
    const tokens = answer?.refresh.tokens;
    if (tokens) accept(tokens);
    else if (answer?.refresh.userErrors.some(({ code }) => code !== 'RATE_LIMITED')) forget();
    return Boolean(tokens);
  };
  const renew = () => {
    renewal ??= exclusively(storageKey, refresh).finally(() => {
      renewal = null;
    });
    return renewal;
  };
  globalThis.addEventListener?.('storage', (event) => {
    if ((event as StorageEvent).key !== storageKey) return;
    if (storage.getItem(storageKey)) notify();
    else forget();
  });
  return {
    get signedIn() {
      return storage.getItem(storageKey) !== null;
    },
    getToken: async () => {
      if (!storage.getItem(storageKey)) return null;
      if (!access || (access.renewAt !== null && Date.now() >= access.renewAt)) await renew();
      return access?.token ?? null;
    },
    renew,
    accept,
    signOut: async () => {
      const refreshToken = storage.getItem(storageKey);
      forget();
      if (refreshToken) await post(send(LogoutDocument), url, LogoutDocument, refreshToken).catch(() => undefined);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The data of an answer, or nothing when there is none: an error of the server is not a refusal of the token. */
async function post<T>(
  send: typeof fetch,
  url: string,
  document: typeof RefreshDocument | typeof LogoutDocument,
  refreshToken: string,
): Promise<T | null> {
  const response = await send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json' },
    body: JSON.stringify({ query: stringifyDocument(document), variables: { input: { refreshToken } } }),
  });
  return ((await response.json()) as { data?: T | null }).data ?? null;
}

/** Across tabs where the browser has locks (secure contexts), in this tab alone elsewhere. */
async function exclusively(name: string, work: () => Promise<boolean>): Promise<boolean> {
  return globalThis.navigator?.locks ? navigator.locks.request(name, work) : work();
}
