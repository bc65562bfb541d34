// What the suites need of Fabula itself: something to read, something to watch, tokens that run out.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { product } from './product.mjs';

export const EVENTS = `subscription Events($id: ID!, $after: String) {
  generationEvents(id: $id, after: $after) { __typename seq cursor ... on TextDelta { text } }
}`;
const GENERATE = `mutation Generate($input: ChapterGenerateInput!) {
  chapterGenerate(input: $input) { ... on GenerationStarted { generation { id } } }
}`;
const STORED = `query Stored($id: ID!) { node(id: $id) { ... on Generation { state text } } }`;

export async function ask(query, variables = {}, token = product().token) {
  const response = await fetch(product().url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, `errors of ${query}: ${JSON.stringify(errors)}`);
  return data;
}

const make = async (name, fields, input) => {
  const type = `${name[0].toUpperCase()}${name.slice(1)}Input`;
  return (await ask(`mutation ($input: ${type}!) { ${name}(input: $input) { ${fields} } }`, { input }))[name];
};

let chapter;

/** The id of a generation that writes that many pieces, that far apart. */
export async function generate(pieces, apartMs) {
  chapter ??= (async () => {
    const { project } = await make('projectCreate', 'project { id }', { title: 'Protocols' });
    return (await make('chapterCreate', 'chapter { id }', { projectId: project.id, title: 'One' })).chapter.id;
  })();
  const input = {
    chapterId: await chapter,
    instructions: `[demo:chunks=${pieces} delay_ms=${apartMs}]`,
    idempotencyKey: randomUUID(),
  };
  const { chapterGenerate } = await ask(GENERATE, { input });
  return chapterGenerate.generation.id;
}

/** The same, once it writes. */
export async function generating(pieces, apartMs) {
  const id = await generate(pieces, apartMs);
  while ((await ask(STORED, { id })).node.state !== 'STREAMING') await sleep(50);
  return id;
}

/** A watched generation's events are all there, once each, in order, and end once. */
export async function assertWhole(events, id) {
  const { node } = await ask(STORED, { id });
  assert.equal(node.state, 'COMPLETED');
  const seqs = events.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].sort((a, b) => a - b),
    'the events come once each, in order',
  );
  assert.equal(events.map(({ text }) => text ?? '').join(''), node.text);
  assert.deepEqual(
    events.filter(({ __typename }) => __typename === 'GenerationCompleted').length,
    1,
    'one event says that the stream ends',
  );
  assert.equal(events.at(-1).__typename, 'GenerationCompleted');
}

let login;

/** Of a session that all tests of a file share: to sign in is meant to take a while. */
export async function accessToken() {
  const signIn = `mutation ($input: LoginInput!) { login(input: $input) { tokens { accessToken } } }`;
  login ??= ask(signIn, { input: product().login }, null);
  return (await login).login.tokens.accessToken;
}

/** The same access token, signed anew to end that many seconds from now. */
export function endingIn(token, seconds) {
  const [head, body] = token.split('.');
  const claims = { ...JSON.parse(Buffer.from(body, 'base64url')), exp: Date.now() / 1000 + seconds };
  const signed = `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', product().secret).update(signed).digest('base64url')}`;
}

/** Fails when it takes longer than the target is given. */
export function soon(promise, { patienceMs = 15_000 } = {}, what = 'an answer') {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patienceMs} ms for ${what}`)), patienceMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
