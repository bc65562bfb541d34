// relay-compiler against the printed schema; what it compiles is sent to the product.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import compiler from 'relay-compiler';

import { ask } from './api.mjs';
import { REPOSITORY } from './product.mjs';

const SCHEMA = readFileSync(join(REPOSITORY, 'graphql_schema.graphql'), 'utf8');
const require = createRequire(import.meta.url);
const directories = [];
after(() => directories.forEach((directory) => rmSync(directory, { recursive: true, force: true })));

/** Compiles `relay/` in a place of its own. Gives what the compiler said, and its artifacts by name. */
function compile(schema) {
  const directory = mkdtempSync(join(tmpdir(), 'fabula-relay-'));
  directories.push(directory);
  const source = join(directory, 'src');
  const artifacts = join(directory, 'artifacts');
  cpSync(fileURLToPath(new URL('relay', import.meta.url)), source, { recursive: true });
  mkdirSync(artifacts);
  writeFileSync(join(directory, 'schema.graphql'), schema);
  const config = {
    src: './src',
    schema: './schema.graphql',
    artifactDirectory: './artifacts',
    language: 'javascript',
    eagerEsModules: false,
  };
  writeFileSync(join(directory, 'relay.config.json'), JSON.stringify(config));
  const args = ['--noWatchman', 'relay.config.json'];
  const { status, stdout, stderr } = spawnSync(compiler, args, { cwd: directory, encoding: 'utf8' });
  const compiled = {};
  for (const file of readdirSync(artifacts)) compiled[file.replace('.graphql.js', '')] = require(join(artifacts, file));
  return { status, said: stdout + stderr, compiled };
}

const { status, said, compiled } = compile(SCHEMA);

test('a Relay application compiles', () => {
  assert.equal(status, 0, said);
  assert.deepEqual(Object.keys(compiled).sort(), [
    'ChapterMutation',
    'ChapterMutationDeleteMutation',
    'NodeQuery',
    'NodeQuery_named',
    'ShelfQuery',
    'ShelfQueryChapterQuery',
    'ShelfQueryPaginationQuery',
    'ShelfQueryProjectQuery',
    'ShelfQuery_chapter',
    'ShelfQuery_project',
    'ShelfQuery_projects',
    'WatchSubscription',
  ]);
});

test('what Relay compiled runs: a page, the next page, the same object again', async () => {
  const send = (name, variables) => ask(compiled[name].params.text, variables);
  const create = (title) => send('ChapterMutation', { input: { title, language: 'fr' } });
  const { projectCreate } = await create('Un');
  assert.deepEqual(projectCreate.userErrors, []);
  await create('Deux');
  const page = await send('ShelfQuery', { first: 1, language: 'fr' });
  const { edges, pageInfo } = page.projects;
  assert.deepEqual(
    edges.map(({ node }) => [node.title, node.__typename]),
    [['Deux', 'Project']],
  );
  const next = await send('ShelfQueryPaginationQuery', { first: 1, after: pageInfo.endCursor, language: 'fr' });
  assert.deepEqual(
    next.projects.edges.map(({ node }) => node.title),
    ['Un'],
  );
  assert.equal(next.projects.pageInfo.hasNextPage, false);
  const { id } = projectCreate.project;
  const again = await send('ShelfQueryProjectQuery', { id, first: 2 });
  assert.deepEqual([again.node.id, again.node.title], [id, 'Un']);
  const { node, nodes } = await send('NodeQuery', { id, ids: [page.me.tenant.id, id] });
  assert.deepEqual([node.title, nodes.map((one) => one.id)], ['Un', [page.me.tenant.id, id]]);
});

/** What Relay needs of a schema, each taken away. */
const PLANTED = {
  'whose pages have no cursor': [/ {2}"""Where this entry stands[^"]*"""\n {2}cursor: String!\n/g, ''],
  'whose pages do not say whether more follow': [/hasNextPage: Boolean!/, 'hasNext: Boolean!'],
  'that fetches nothing again by its id': [/^ {2}node\(/m, '  thing('],
  'whose projects have no global id': [/^type Project implements Node /m, 'type Project '],
};

for (const [defect, [pattern, instead]] of Object.entries(PLANTED))
  test(`planted: a schema ${defect} is found`, () => {
    const broken = SCHEMA.replace(pattern, instead);
    assert.notEqual(broken, SCHEMA);
    assert.notEqual(compile(broken).status, 0);
  });
