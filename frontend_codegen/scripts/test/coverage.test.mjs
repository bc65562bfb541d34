import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { buildSchema, concatAST, parse, validate } from 'graphql';

import { unusedRootFields } from '../coverage.mjs';
import { ROOT } from '../run.mjs';

const read = (path) => readFileSync(`${ROOT}${path}`, 'utf8');
const schema = buildSchema(read('../graphql_schema.graphql'));
const files = readdirSync(`${ROOT}operations`).map((name) => parse(read(`operations/${name}`)));
const document = concatAST(files);

test('every root field of the schema is in a document', () => {
  assert.deepEqual(unusedRootFields(schema, document), []);
});

test('a root field that loses its only document is named', () => {
  const without = { ...document, definitions: document.definitions.filter((one) => one.name?.value !== 'JobEvents') };
  assert.deepEqual(unusedRootFields(schema, without), ['Subscription.jobEvents']);
});

test('every document fits the schema, and no fragment is left over', () => {
  assert.deepEqual(validate(schema, document), []);
});

test('the kept manifest has one document for each operation, under its hash', () => {
  const manifest = Object.entries(JSON.parse(read('client/persisted-documents.json')));
  const operations = document.definitions.filter((one) => one.kind === 'OperationDefinition');
  const names = manifest.map(([, text]) => parse(text).definitions.find((one) => 'operation' in one).name.value);
  assert.deepEqual(names.sort(), operations.map((one) => one.name.value).sort());
  for (const [hash, text] of manifest) {
    assert.equal(hash, `sha256:${createHash('sha256').update(text).digest('hex')}`);
  }
});
