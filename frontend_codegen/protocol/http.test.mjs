// The official audit of GraphQL over HTTP.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { auditServer } from 'graphql-http';

import { product } from './product.mjs';
import { throughHttp } from './proxy.mjs';

const AUDITS = 61;

async function findings(url) {
  const results = await auditServer({ url });
  assert.equal(results.length, AUDITS);
  return results
    .filter(({ status }) => status !== 'ok')
    .map(({ id, name, status, reason }) => ({ id, name, status, reason }));
}

test(`the ${AUDITS} audits find nothing, not even to notice`, async () => {
  assert.deepEqual(await findings(product().url), []);
});

test('planted: an API that answers everything with 200 is warned of', async () => {
  const found = await throughHttp({ response: () => [200, {}] }, ({ url }) => findings(url));
  assert.equal(found.filter(({ status }) => status === 'warn').length, 8);
});

test('planted: an API that knows one media type is found', async () => {
  const found = await throughHttp(
    { response: (status) => [status, { 'content-type': 'application/json' }] },
    ({ url }) => findings(url),
  );
  assert.ok(found.length > 0);
});
