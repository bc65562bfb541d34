// graphql-transport-ws by the client of `graphql-ws`.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { product } from './product.mjs';
import { throughSocket } from './proxy.mjs';
import { aRestartLosesNothing, musts } from './ws-musts.mjs';

for (const [name, must] of Object.entries(musts)) test(name, () => must(product()));

test('1012 when the API restarts, and the client goes on at its cursor with nothing lost and nothing twice', () =>
  aRestartLosesNothing(product()));

let nexts = 0;
let lastId;
const isNext = ({ type }) => type === 'next';
const down = (change) => ({ down: change });
const isDelta = (message) => message.payload?.data?.generationEvents?.__typename === 'TextDelta';

/** A defect, and the rule that notices it. */
const PLANTED = {
  'never completes': [down((m) => (m.type === 'complete' ? [] : [m])), 'a query is one result and a completion'],
  'loses an event': [
    down((m) => (isDelta(m) && ++nexts === 3 ? [] : [m])),
    'a subscription is all its events in order and a completion',
  ],
  'repeats an event': [
    down((m) => (isDelta(m) ? [m, m] : [m])),
    'a subscription is all its events in order and a completion',
  ],
  'mixes up ids': [
    down((m) => {
      const id = lastId;
      if (isNext(m)) lastId = m.id;
      return isNext(m) && id ? [{ ...m, id }] : [m];
    }),
    'operations run side by side on one socket, each under its id',
  ],
  'completes after an error': [
    down((m) => (m.type === 'error' ? [m, { id: m.id, type: 'complete' }] : [m])),
    'a document that cannot run ends its own operation with an error, and nothing follows',
  ],
  'sends errors of documents as results': [
    down((m) => (m.type === 'error' ? [{ ...m, type: 'next', payload: { errors: m.payload } }] : [m])),
    'the client hears of refused documents, and goes on',
  ],
  'does not hear a completion': [
    { up: (m) => (m.type === 'complete' ? [] : [m]) },
    'nothing of an operation comes after the client has completed it, and its id is free',
  ],
  'answers pings without their payload': [
    down((m) => (m.type === 'pong' ? [{ type: 'pong' }] : [m])),
    'a ping is answered with its payload at any time, a pong needs no answer',
  ],
  'answers no pings': [
    { up: (m) => (m.type === 'ping' ? [] : [m]) },
    'the client that pings to stay connected is answered',
  ],
  'acknowledges twice': [
    down((m) => (m.type === 'connection_ack' ? [m, m] : [m])),
    'a connection is acknowledged once, with or without a payload',
  ],
  'speaks every subprotocol': [{ anyProtocol: true }, '4406 for another subprotocol, and for none'],
  'forgets cursors': [
    {
      up: (m) => [
        m.payload?.variables ? { ...m, payload: { ...m.payload, variables: { id: m.payload.variables.id } } } : m,
      ],
    },
    'a token that expires in the middle closes with 4403, and a fresh one goes on at the cursor',
  ],
  ...Object.fromEntries(
    Object.keys(musts)
      .filter((name) => /^44\d\d/.test(name) && !name.startsWith('4406'))
      .map((name) => [`closes with 1011 in place of ${name}`, [{ close: () => 1011 }, name]]),
  ),
};

test('the proxy that plants defects has none of its own', async () => {
  for (const must of new Set(Object.values(PLANTED).map(([, must]) => must)))
    await throughSocket({}, (target) => musts[must]({ ...target, patienceMs: undefined }));
});

for (const [defect, [alter, must]] of Object.entries(PLANTED))
  test(`planted: a server that ${defect} is found`, () =>
    throughSocket(alter, (target) => assert.rejects(() => musts[must](target), `${must}: passed`)));
