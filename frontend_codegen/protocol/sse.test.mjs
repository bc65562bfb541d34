// Server-sent events, distinct connections, by the client of `graphql-sse`.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { product } from './product.mjs';
import { throughHttp } from './proxy.mjs';
import { aRestartLosesNothing, musts } from './sse-musts.mjs';

for (const [name, must] of Object.entries(musts)) test(name, () => must(product()));

test('when the API restarts the client goes on at its cursor, with nothing lost and nothing twice', () =>
  aRestartLosesNothing(product()));

const WHOLE = 'a subscription is all its events in order and a completion';
let deltas = 0;
const isDelta = (event) => event.includes('"TextDelta"');

/** A defect, and the rule that notices it. */
const PLANTED = {
  'never completes': [{ event: (event) => (event.startsWith('event: complete') ? null : event) }, WHOLE],
  'loses an event': [{ event: (event) => (isDelta(event) && ++deltas === 3 ? null : event) }, WHOLE],
  'repeats an event': [{ event: (event) => (isDelta(event) ? `${event}\n\n${event}` : event) }, WHOLE],
  'completes without a data field': [
    { event: (event) => event.replace(/\ndata:$/, '') },
    'the stream is of its type, and its completion carries an empty data field',
  ],
  'refuses documents before the stream': [
    { response: () => [400, {}] },
    'what is wrong with a document comes in a stream that is accepted',
  ],
  'calls every request good': [
    { response: () => [200, {}] },
    'a request that is none is refused, as GraphQL over HTTP says',
  ],
  'says 403 for 401': [
    { response: (status) => [status === 401 ? 403 : status, {}] },
    '401 for a token that is none of ours, and for one that has expired',
  ],
};

test('the proxy that plants defects has none of its own', async () => {
  for (const must of new Set(Object.values(PLANTED).map(([, must]) => must)))
    await throughHttp({ event: (event) => event }, (target) => musts[must]({ ...target, patienceMs: undefined }));
});

for (const [defect, [alter, must]] of Object.entries(PLANTED))
  test(`planted: a server that ${defect} is found`, () =>
    throughHttp(alter, (target) => assert.rejects(() => musts[must](target), `${must}: passed`)));
