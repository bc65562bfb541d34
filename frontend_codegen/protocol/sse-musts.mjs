// What the graphql-sse protocol asks of a server with distinct connections, by the client of `graphql-sse`.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { createClient } from 'graphql-sse';

import { accessToken, assertWhole, endingIn, EVENTS, generate, generating, soon } from './api.mjs';
import { restartApi } from './product.mjs';

const HELLO = '{ __typename }';

const clientOf = (target, options = {}) =>
  createClient({
    url: target.url,
    headers: { authorization: `Bearer ${target.token}` },
    retryAttempts: 0,
    ...options,
  });

/** How an operation goes: its results, and the error or the completion that ends it. */
function run(client, target, request, onNext = () => undefined) {
  const told = { results: [], error: null, completed: false };
  const ended = new Promise((resolve) => {
    client.subscribe(request, {
      next: (result) => void (told.results.push(result), onNext(result)),
      error: (error) => resolve(Object.assign(told, { error })),
      complete: () => resolve(Object.assign(told, { completed: true })),
    });
  });
  return soon(ended, target, `the end of ${request.query}`).finally(() => client.dispose());
}

const eventsOf = (told) => told.results.map(({ data }) => data.generationEvents);
const watch = async (pieces, apartMs) => ({ query: EVENTS, variables: { id: await generate(pieces, apartMs) } });

async function raw(target, body, headers = {}) {
  const response = await soon(
    fetch(target.url, {
      method: 'POST',
      headers: {
        accept: 'text/event-stream',
        'content-type': 'application/json',
        authorization: `Bearer ${target.token}`,
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
    target,
  );
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    text: await soon(response.text(), target),
  };
}

export const musts = {
  'a query is one result and a completion': async (target) => {
    const told = await run(clientOf(target), target, { query: HELLO });
    assert.deepEqual([told.results.map(({ data }) => data), told.completed], [[{ __typename: 'Query' }], true]);
  },

  'a mutation is one result and a completion': async (target) => {
    const query = 'mutation { projectCreate(input: {title: "One"}) { project { title } } }';
    const told = await run(clientOf(target), target, { query });
    const data = { projectCreate: { project: { title: 'One' } } };
    assert.deepEqual([told.results.map((result) => result.data), told.completed], [[data], true]);
  },

  'a subscription is all its events in order and a completion': async (target) => {
    const request = await watch(30, 2);
    const told = await run(clientOf(target), target, request);
    assert.equal(told.completed, true);
    await assertWhole(eventsOf(told), request.variables.id);
  },

  'several operations have a connection each': async (target) => {
    const requests = await Promise.all([watch(30, 5), watch(20, 8)]);
    const told = await Promise.all(requests.map((request) => run(clientOf(target), target, request)));
    for (const [n, { variables }] of requests.entries()) await assertWhole(eventsOf(told[n]), variables.id);
  },

  'the stream is of its type, and its completion carries an empty data field': async (target) => {
    const { status, type, text } = await raw(target, { query: HELLO });
    assert.deepEqual([status, type.split(';')[0]], [200, 'text/event-stream']);
    const events = text.split('\n\n').filter((event) => event && !event.startsWith(':'));
    assert.match(events[0], /^event: next\ndata: \{.*\}$/);
    assert.match(events[1], /^event: complete\ndata: ?$/);
    assert.equal(events.length, 2);
  },

  'what is wrong with a document comes in a stream that is accepted': async (target) => {
    for (const [query, code] of [
      ['{', 'GRAPHQL_PARSE_FAILED'],
      ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
      ['query ($id: ID!) { node(id: $id) { id } }', 'BAD_USER_INPUT'],
      ['subscription { generationEvents(id: "nonsense") { seq } }', 'BAD_USER_INPUT'],
    ]) {
      const { status, type } = await raw(target, { query });
      assert.deepEqual([status, type.split(';')[0]], [200, 'text/event-stream'], query);
      const told = await run(clientOf(target), target, { query });
      assert.deepEqual([told.error, told.completed, told.results.length], [null, true, 1], query);
      assert.deepEqual([told.results[0].errors[0].extensions.code, told.results[0].data], [code, undefined], query);
    }
  },

  'an error of execution comes beside the data': async (target) => {
    const told = await run(clientOf(target), target, {
      query: '{ good: __typename projects(after: "x") { edges { cursor } } }',
    });
    assert.deepEqual([told.completed, told.error, told.results.length], [true, null, 1]);
    assert.equal(told.results[0].errors[0].extensions.code, 'BAD_USER_INPUT');
  },

  'the operation is chosen by its name': async (target) => {
    const query = 'query A { a: __typename } query B { b: __typename }';
    const told = await run(clientOf(target), target, { query, operationName: 'B' });
    assert.deepEqual(
      told.results.map(({ data }) => data),
      [{ b: 'Query' }],
    );
  },

  'a request that is none is refused, as GraphQL over HTTP says': async (target) => {
    for (const body of ['nonsense', '[]', {}, { query: 5 }, { query: HELLO, variables: 'x' }])
      assert.equal((await raw(target, body)).status, 400, JSON.stringify(body));
    assert.equal((await raw(target, HELLO, { 'content-type': 'text/plain' })).status, 415);
  },

  '401 for a token that is none of ours, and for one that has expired': async (target) => {
    for (const token of ['nonsense', endingIn(await accessToken(), -60)]) {
      const { error } = await run(clientOf({ ...target, token }), target, { query: HELLO });
      assert.equal(error.response?.status, 401);
    }
  },

  'connections are distinct: a reservation is refused': async (target) => {
    const { error } = await run(clientOf(target, { singleConnection: true }), target, { query: HELLO });
    assert.equal(error.response?.status, 405);
  },

  'the client that leaves is done with, and others go on': async (target) => {
    const request = await watch(60, 10);
    const other = run(clientOf(target), target, { ...request });
    for await (const { data } of clientOf(target).iterate(request)) {
      assert.ok(data.generationEvents.seq > 0);
      break;
    }
    await assertWhole(eventsOf(await other), request.variables.id);
  },

  'a client that starts at a cursor gets what comes after it': async (target) => {
    const request = await watch(20, 1);
    const all = eventsOf(await run(clientOf(target), target, request));
    const variables = { ...request.variables, after: all[4].cursor };
    const rest = eventsOf(await run(clientOf(target), target, { ...request, variables }));
    await assertWhole([...all.slice(0, 5), ...rest], request.variables.id);
  },
};

/** Apart from the others: it ends the API, for everybody. The stream ends without a completion, so the client retries. */
export async function aRestartLosesNothing(target) {
  const request = { query: EVENTS, variables: { id: await generating(100, 50) } };
  let restarting;
  let connections = 0;
  const options = { retryAttempts: 300, retry: () => sleep(100), on: { connected: () => (connections += 1) } };
  const told = await run(clientOf(target, options), { patienceMs: 40_000 }, request, ({ data }) => {
    request.variables.after = data.generationEvents.cursor;
    restarting ??= restartApi();
  });
  await restarting;
  assert.deepEqual([told.error, connections > 1], [null, true]);
  await assertWhole(eventsOf(told), request.variables.id);
}
