// What graphql-transport-ws asks of a server, as far as a client can provoke it: by the client of `graphql-ws`, and by
// bare sockets for what that client is too well-behaved to send.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { WebSocket } from 'ws';

import { accessToken, assertWhole, endingIn, EVENTS, generate, generating, soon } from './api.mjs';
import { restartApi } from './product.mjs';
import { Bare, HELLO, run, withClient } from './ws-client.mjs';

const eventsOf = (told) => told.results.map(({ data }) => data.generationEvents);
const codesOf = (errors) => errors.map(({ extensions }) => extensions.code);

const assertClosed = async (bare, code, what = '') => {
  assert.equal(await bare.closed, code, what);
};

const MALFORMED = [
  'nonsense',
  '[]',
  '"ping"',
  'null',
  '5',
  '{}',
  { type: 5 },
  { type: 'start', id: '1', payload: { query: HELLO } },
  { type: 'next', id: '1', payload: {} },
  { type: 'connection_ack' },
  { type: 'ping', payload: 'x' },
  { type: 'pong', payload: [] },
  { type: 'subscribe', payload: { query: HELLO } },
  { type: 'subscribe', id: 5, payload: { query: HELLO } },
  { type: 'subscribe', id: '', payload: { query: HELLO } },
  { type: 'subscribe', id: '1' },
  { type: 'subscribe', id: '1', payload: {} },
  { type: 'subscribe', id: '1', payload: { query: 5 } },
  { type: 'subscribe', id: '1', payload: { query: HELLO, variables: 'x' } },
  { type: 'subscribe', id: '1', payload: { query: HELLO, operationName: 5 } },
  { type: 'subscribe', id: '1', payload: { query: HELLO, extensions: 'x' } },
  { type: 'complete' },
  { type: 'complete', id: 5 },
];

/** Watches a generation, moving the cursor as its events come, while the connection is lost in the middle. */
async function resumed(target, { client: options, interrupt = () => undefined }) {
  const request = { query: EVENTS, variables: { id: await generating(100, 50) } };
  const closes = [];
  const connect = { retryAttempts: 300, shouldRetry: () => true, retryWait: () => sleep(100), ...options };
  await withClient(
    target,
    async (client) => {
      let come = 0;
      let interrupted;
      client.on('closed', ({ code }) => closes.push({ code, come }));
      const told = await run(client, { patienceMs: 40_000 }, request, ({ data }) => {
        request.variables.after = data.generationEvents.cursor;
        come += 1;
        interrupted ??= interrupt();
      });
      await interrupted;
      assert.equal(told.error, null);
      assert.ok(closes[0]?.come > 0, 'the connection was lost after some events');
      await assertWhole(eventsOf(told), request.variables.id);
    },
    connect,
  );
  return closes[0].code;
}

const watch = async (pieces, apartMs) => ({ query: EVENTS, variables: { id: await generate(pieces, apartMs) } });

export const musts = {
  'a query is one result and a completion': (target) =>
    withClient(target, async (client) => {
      const told = await run(client, target, { query: HELLO });
      assert.deepEqual([told.results.map(({ data }) => data), told.completed], [[{ __typename: 'Query' }], true]);
    }),

  'a mutation is one result and a completion': (target) =>
    withClient(target, async (client) => {
      const query = 'mutation { projectCreate(input: {title: "One"}) { project { title } userErrors { code } } }';
      const told = await run(client, target, { query });
      const data = { projectCreate: { project: { title: 'One' }, userErrors: [] } };
      assert.deepEqual([told.results.map((result) => result.data), told.completed], [[data], true]);
    }),

  'a subscription is all its events in order and a completion': (target) =>
    withClient(target, async (client) => {
      const request = await watch(30, 2);
      const told = await run(client, target, request);
      assert.equal(told.completed, true);
      await assertWhole(eventsOf(told), request.variables.id);
    }),

  'operations run side by side on one socket, each under its id': (target) =>
    withClient(target, async (client, opened) => {
      const requests = await Promise.all([watch(30, 5), watch(20, 8)]);
      const streams = [...requests, requests[0]].map((request) => run(client, target, { ...request }));
      const queries = Array.from({ length: 5 }, (_, n) => run(client, target, { query: `{ a${n}: __typename }` }));
      for (const [n, { results }] of (await Promise.all(queries)).entries())
        assert.deepEqual(
          results.map(({ data }) => data),
          [{ [`a${n}`]: 'Query' }],
        );
      const told = await Promise.all(streams);
      for (const [n, request] of [...requests, requests[0]].entries())
        await assertWhole(eventsOf(told[n]), request.variables.id);
      assert.equal(opened(), 1);
    }),

  'a document that cannot run ends its own operation with an error, and nothing follows': async (target) => {
    const bare = await Bare.ready(target);
    for (const [query, code] of [
      ['{', 'GRAPHQL_PARSE_FAILED'],
      ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
      ['query ($id: ID!) { node(id: $id) { id } }', 'BAD_USER_INPUT'],
      ['subscription { generationEvents(id: "nonsense") { seq } }', 'BAD_USER_INPUT'],
    ]) {
      bare.subscribe('1', query);
      const { type, payload } = await bare.receive();
      assert.deepEqual([type, codesOf(payload)], ['error', [code]]);
      assert.deepEqual(await bare.sofar(), []);
    }
    await bare.answers();
    bare.end();
  },

  'the client hears of refused documents, and goes on': (target) =>
    withClient(target, async (client, opened) => {
      for (const query of ['{', '{ nothing }'])
        assert.equal((await run(client, target, { query })).error?.[0]?.extensions?.code.startsWith('GRAPHQL_'), true);
      assert.equal((await run(client, target, { query: HELLO })).completed, true);
      assert.equal(opened(), 1);
    }),

  'an error of execution comes beside the data': (target) =>
    withClient(target, async (client) => {
      const told = await run(client, target, {
        query: '{ good: __typename projects(after: "x") { edges { cursor } } }',
      });
      assert.deepEqual([told.completed, told.results.length, told.error], [true, 1, null]);
      assert.deepEqual(codesOf(told.results[0].errors), ['BAD_USER_INPUT']);
    }),

  'the operation is chosen by its name': (target) =>
    withClient(target, async (client) => {
      const query = 'query A { a: __typename } query B { b: __typename }';
      const told = await run(client, target, { query, operationName: 'B' });
      assert.deepEqual(
        told.results.map(({ data }) => data),
        [{ b: 'Query' }],
      );
    }),

  'nothing of an operation comes after the client has completed it, and its id is free': async (target) => {
    const bare = await Bare.ready(target);
    bare.subscribe('1', EVENTS, { id: await generate(200, 10) });
    assert.equal((await bare.receive()).type, 'next');
    bare.send({ id: '1', type: 'complete' });
    await bare.sofar();
    await sleep(200);
    assert.deepEqual(await bare.sofar(), []);
    await bare.answers('1');
    await bare.answers('1');
    bare.end();
  },

  'completing what is not there does no harm': async (target) => {
    const bare = await Bare.ready(target);
    bare.send({ id: 'never', type: 'complete' });
    await bare.answers();
    bare.send({ id: 'hello', type: 'complete' });
    await bare.answers();
    bare.end();
  },

  'the client that leaves an iteration ends its operation alone': (target) =>
    withClient(target, async (client, opened) => {
      for await (const { data } of client.iterate(await watch(50, 10))) {
        assert.ok(data.generationEvents.seq > 0);
        break;
      }
      assert.equal((await run(client, target, { query: HELLO })).completed, true);
      assert.equal(opened(), 1);
    }),

  'a ping is answered with its payload at any time, a pong needs no answer': async (target) => {
    const bare = await Bare.open(target);
    for (const payload of [{ a: 1 }, {}]) {
      bare.send({ type: 'ping', payload });
      assert.deepEqual(await bare.receive(), { type: 'pong', payload });
    }
    bare.send({ type: 'pong', payload: { b: 2 } });
    assert.deepEqual(await bare.sofar(), []);
    bare.send({ type: 'connection_init', payload: null });
    assert.deepEqual(await bare.receive(), { type: 'connection_ack' });
    bare.send({ type: 'pong' });
    assert.deepEqual(await bare.sofar(), []);
    bare.end();
  },

  'the client that pings to stay connected is answered': (target) =>
    withClient(
      target,
      async (client) => {
        const pongs = new Promise((resolve) => client.on('pong', (received) => received && resolve()));
        await Promise.all([soon(pongs, target, 'a pong'), run(client, target, await watch(20, 10))]);
      },
      { keepAlive: 20 },
    ),

  'a connection is acknowledged once, with or without a payload': async (target) => {
    for (const payload of [undefined, null, {}]) {
      const bare = await Bare.open(target);
      bare.send({ type: 'connection_init', payload });
      assert.deepEqual(await bare.receive(), { type: 'connection_ack' });
      assert.deepEqual(await bare.sofar(), []);
      bare.end();
    }
  },

  '4400 for everything that is not of the protocol': async (target) => {
    for (const message of MALFORMED) {
      const bare = await Bare.ready(target);
      bare.send(message);
      await assertClosed(bare, 4400, JSON.stringify(message));
    }
    const bare = await Bare.open(target);
    bare.send({ type: 'connection_init', payload: 'x' });
    await assertClosed(bare, 4400);
  },

  '4401 for an operation before the acknowledgement': async (target) => {
    const bare = await Bare.open(target);
    bare.subscribe('1', HELLO);
    await assertClosed(bare, 4401);
  },

  '4401 for a token that is none of ours, and the client does not try again': (target) =>
    withClient(
      target,
      async (client, opened) => {
        const { error } = await run(client, target, { query: HELLO });
        assert.deepEqual([error.code, opened()], [4401, 1]);
      },
      { connectionParams: { authorization: 'Bearer nonsense' }, retryAttempts: 3 },
    ),

  '4403 for a token that has expired': async (target) => {
    const connectionParams = { authorization: `Bearer ${endingIn(await accessToken(), -60)}` };
    const told = await withClient(target, (client) => run(client, target, { query: HELLO }), { connectionParams });
    assert.equal(told.error.code, 4403);
  },

  '4406 for another subprotocol, and for none': async (target) => {
    // A client that asked for a subprotocol and got none fails the connection itself, so that it sees 1006.
    for (const [protocols, seen] of [
      [[], 4406],
      [['graphql-ws'], 1006],
      [['soap'], 1006],
    ]) {
      const socket = new WebSocket(target.wsUrl, protocols);
      socket.on('error', () => undefined);
      const code = await soon(new Promise((resolve) => socket.on('close', resolve)), target, 'the socket to close');
      assert.equal(code, seen, protocols[0]);
    }
  },

  '4408 when no connection_init comes in time': async (target) => assertClosed(await Bare.open(target), 4408),

  '4409 for an id that is in use': async (target) => {
    const bare = await Bare.ready(target);
    const variables = { id: await generate(100, 10) };
    bare.subscribe('1', EVENTS, variables);
    bare.subscribe('1', EVENTS, variables);
    await assertClosed(bare, 4409);
  },

  '4429 for a second connection_init': async (target) => {
    const bare = await Bare.ready(target);
    bare.send({ type: 'connection_init' });
    await assertClosed(bare, 4429);
  },

  'the client closes with 1000': (target) =>
    withClient(target, async (client) => {
      await run(client, target, { query: HELLO });
      const closed = new Promise((resolve) => client.on('closed', ({ code }) => resolve(code)));
      await client.dispose();
      assert.equal(await soon(closed, target, 'the socket to close'), 1000);
    }),

  'a token that expires in the middle closes with 4403, and a fresh one goes on at the cursor': async (target) => {
    const login = await accessToken();
    let connections = 0;
    const connectionParams = () => {
      connections += 1;
      return { authorization: `Bearer ${connections === 1 ? endingIn(login, 2) : login}` };
    };
    assert.equal(await resumed(target, { client: { connectionParams } }), 4403);
  },
};

/** Apart from the others: it ends the API, for everybody. */
export async function aRestartLosesNothing(target) {
  assert.equal(await resumed(target, { interrupt: restartApi }), 1012);
}
