import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createAuthorizedFetch, createCredentials } from '../src/credentials.js';
import { createSession } from '../src/session.js';

function memoryStorage(initial: Record<string, string> = {}) {
  const map = new Map(Object.entries(initial));
  return {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
    removeItem: (key: string) => void map.delete(key),
  } as unknown as Storage;
}

const tokens = (n: number, lifeMs = 600_000) => ({
  __typename: 'AuthTokens' as const,
  accessToken: `access-${n}`,
  accessTokenExpiresAt: new Date(Date.now() + lifeMs).toISOString(),
  refreshToken: `refresh-${n}`,
  refreshTokenExpiresAt: new Date(Date.now() + 10 * lifeMs).toISOString(),
});

/** A server that rotates refresh tokens and refuses a used one. */
function rotatingServer() {
  const requests: string[] = [];
  let current = 0;
  const send = async (_url: unknown, init?: RequestInit) => {
    const { refreshToken } = (JSON.parse(String(init?.body)) as { variables: { input: { refreshToken: string } } })
      .variables.input;
    requests.push(refreshToken);
    const good = refreshToken === `refresh-${current}`;
    const refresh = good
      ? { tokens: tokens(++current), userErrors: [] }
      : { tokens: null, userErrors: [{ code: 'TOKEN_REUSED', message: 'Log in again.', field: null }] };
    return Response.json({ data: { refresh } });
  };
  return { requests, fetch: send as typeof fetch };
}

const session = (
  server: Pick<ReturnType<typeof rotatingServer>, 'fetch'>,
  storage: Storage,
  tabStorage = memoryStorage(),
) => createSession({ url: 'http://127.0.0.1/graphql', storage, tabStorage, storageKey: 'k', fetch: server.fetch });

test('a new page gets its access token from the stored refresh token', async () => {
  const server = rotatingServer();
  const storage = memoryStorage({ k: 'refresh-0' });
  assert.equal(await session(server, storage).getToken(), 'access-1');
  assert.equal(storage.getItem('k'), 'refresh-1');
});

test('a reload within the life of the access token refreshes nothing', async () => {
  const server = rotatingServer();
  const [storage, tab] = [memoryStorage({ k: 'refresh-0' }), memoryStorage()];
  await session(server, storage, tab).getToken();
  assert.equal(await session(server, storage, tab).getToken(), 'access-1');
  assert.deepEqual(server.requests, ['refresh-0']);
});

test('an access token that the clock calls outdated on arrival is used until it is refused', async () => {
  const server = rotatingServer();
  const s = session(server, memoryStorage());
  s.accept(tokens(0, -3_600_000));
  assert.deepEqual([await s.getToken(), await s.getToken(), server.requests.length], ['access-0', 'access-0', 0]);
});

test('ten requests at once refresh once', async () => {
  const server = rotatingServer();
  const { getToken } = session(server, memoryStorage({ k: 'refresh-0' }));
  const got = await Promise.all(Array.from({ length: 10 }, getToken));
  assert.deepEqual([...new Set(got)], ['access-1']);
  assert.deepEqual(server.requests, ['refresh-0']);
});

test('an access token near its end is renewed before it is used', async () => {
  const server = rotatingServer();
  const s = session(server, memoryStorage({ k: 'refresh-0' }));
  s.accept({ ...tokens(0, 20_050) });
  assert.equal(await s.getToken(), 'access-0');
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.equal(await s.getToken(), 'access-1');
});

test('a refused refresh token signs out', async () => {
  const server = rotatingServer();
  const s = session(server, memoryStorage({ k: 'refresh-of-yesterday' }));
  let told = 0;
  s.subscribe(() => told++);
  assert.equal(await s.getToken(), null);
  assert.deepEqual([s.signedIn, told], [false, 1]);
});

test('a server that cannot be reached does not sign out', async () => {
  const down = { fetch: (async () => Promise.reject(new TypeError('Failed to fetch'))) as typeof fetch };
  const s = session(down, memoryStorage({ k: 'refresh-0' }));
  await assert.rejects(s.getToken(), /Failed to fetch/);
  assert.equal(s.signedIn, true);
});

function authorized(answers: Record<string, Response>) {
  let token = 'old';
  let renewals = 0;
  const sent: string[] = [];
  const credentials = createCredentials({
    getToken: () => token,
    onUnauthenticated: async () => {
      renewals++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      token = 'new';
      return true;
    },
  });
  const base = async (_input: unknown, init?: RequestInit) => {
    const authorization = new Headers(init?.headers).get('authorization') ?? '';
    sent.push(authorization);
    return (answers[authorization] ?? Response.json({ data: { ok: true } })).clone();
  };
  return { fetch: createAuthorizedFetch(credentials, 't1', base as typeof fetch), sent, renewals: () => renewals };
}

test('a 401 is answered by one renewal and one repeat, however many requests met it', async () => {
  const { fetch, sent, renewals } = authorized({ 'Bearer old': new Response('', { status: 401 }) });
  const answers = await Promise.all([fetch('/graphql'), fetch('/graphql'), fetch('/graphql')]);
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [200, 200, 200],
  );
  assert.deepEqual([renewals(), sent.filter((header) => header === 'Bearer new').length], [1, 3]);
});

test('an UNAUTHENTICATED error with status 200 is a refusal too', async () => {
  const refused = Response.json({ errors: [{ message: 'Log in.', extensions: { code: 'UNAUTHENTICATED' } }] });
  const { fetch, renewals } = authorized({ 'Bearer old': refused });
  assert.deepEqual(await (await fetch('/graphql')).json(), { data: { ok: true } });
  assert.equal(renewals(), 1);
});

test('a chapter that quotes the word is not a refusal', async () => {
  const chapter = Response.json({ data: { text: 'He wrote "UNAUTHENTICATED" on the wall.' } });
  const { fetch, renewals } = authorized({ 'Bearer old': chapter });
  await fetch('/graphql');
  assert.equal(renewals(), 0);
});
