import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { SubscribePayload } from 'graphql-ws';

import { createFabulaClient } from '../src/client.js';
import { GenerationEventsDocument, ProjectsDocument } from '../src/generated/graphql.js';
import { subscribeResumable } from '../src/resume.js';
import { createTrustedDocuments } from '../src/trusted.js';

const UNKNOWN = { errors: [{ message: 'No.', extensions: { code: 'PERSISTED_DOCUMENT_NOT_FOUND' } }] };
const hashOf = (document: object) => (document as { __meta__: { hash: string } }).__meta__.hash;

/** A server that knows some hashes, and answers every text. */
function server(...known: string[]) {
  const bodies: { query?: string; documentId?: string; variables?: unknown }[] = [];
  const send = async (_url: unknown, init?: RequestInit) => {
    const body = JSON.parse(String(init?.body)) as (typeof bodies)[number];
    bodies.push(body);
    const good = body.query !== undefined || known.includes(body.documentId ?? '');
    return Response.json(good ? { data: { projects: null } } : UNKNOWN);
  };
  return { bodies, fetch: send as typeof fetch };
}

function client(fetchWith: typeof fetch, trustedDocuments: boolean) {
  return createFabulaClient({ url: 'http://127.0.0.1/graphql', fetch: fetchWith, trustedDocuments });
}

const ask = (with_: ReturnType<typeof client>, first: number) =>
  with_.urql.query(ProjectsDocument, { first }, { requestPolicy: 'network-only' }).toPromise();

test('the hash is sent in place of the text', async () => {
  const { bodies, fetch } = server(hashOf(ProjectsDocument));
  const { data, error } = await ask(client(fetch, true), 5);
  assert.deepEqual([data, error], [{ projects: null }, undefined]);
  assert.equal(bodies.length, 1);
  assert.equal(bodies[0]!.documentId, hashOf(ProjectsDocument));
  assert.equal(bodies[0]!.query, undefined);
  assert.deepEqual(bodies[0]!.variables, { first: 5 });
});

test('a server that does not know it gets the text, and is not asked again', async () => {
  const { bodies, fetch } = server();
  const one = client(fetch, true);
  for (const first of [5, 6]) assert.deepEqual((await ask(one, first)).data, { projects: null });
  assert.deepEqual(
    bodies.map(({ query, documentId }) => [query === undefined, documentId !== undefined]),
    [
      [true, true],
      [false, false],
      [false, false],
    ],
  );
});

test('without the option the text is sent', async () => {
  const { bodies, fetch } = server(hashOf(ProjectsDocument));
  await ask(client(fetch, false), 5);
  assert.match(bodies[0]!.query ?? '', /query Projects/);
});

test('another error is no reason to send again', async () => {
  let requests = 0;
  const broken = (async () => {
    requests++;
    return Response.json({ errors: [{ message: 'x', extensions: { code: 'RATE_LIMITED' } }] });
  }) as typeof fetch;
  assert.ok((await ask(client(broken, true), 5)).error);
  assert.equal(requests, 1);
});

test('a stream is subscribed by its hash, and by its text when the server does not know it', () => {
  const opened: { payload: SubscribePayload; sink: { error: (reason: unknown) => void }; closed: boolean }[] = [];
  const subscribe = (payload: SubscribePayload, sink: never) => {
    const entry = { payload, sink, closed: false };
    opened.push(entry);
    return () => void (entry.closed = true);
  };
  const source = { trusted: createTrustedDocuments(true), document: GenerationEventsDocument };
  const request = { query: 'subscription S($after: String) { s }', variables: { id: 'g' } };
  const sink = { next: () => undefined, error: () => assert.fail('refused'), complete: () => undefined };
  const close = subscribeResumable({ subscribe } as never, request, sink, source);
  const sha256Hash = hashOf(GenerationEventsDocument).replace('sha256:', '');
  assert.deepEqual(opened[0]!.payload.extensions, { persistedQuery: { version: 1, sha256Hash } });
  assert.equal(opened[0]!.payload.query, '');
  opened[0]!.sink.error(UNKNOWN.errors);
  assert.deepEqual(opened[1]!.payload, request);
  close();
  assert.equal(opened[1]!.closed, true);
});
