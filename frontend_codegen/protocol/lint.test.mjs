// graphql-eslint over the printed schema.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { ESLint } from 'eslint';

import { config } from './lint.config.mjs';
import { REPOSITORY } from './product.mjs';

const SCHEMA = readFileSync(join(REPOSITORY, 'graphql_schema.graphql'), 'utf8');
const directory = mkdtempSync(join(tmpdir(), 'fabula-lint-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The findings as `rule: message`. */
async function findings(name, schema) {
  const path = join(directory, `${name}.graphql`);
  writeFileSync(path, schema);
  const eslint = new ESLint({ cwd: directory, overrideConfigFile: true, overrideConfig: config(path) });
  const [{ messages }] = await eslint.lintFiles([path]);
  return messages.map(({ ruleId, line, message }) => `${ruleId ?? 'fatal'}, line ${line}: ${message}`);
}

test('the schema has no findings', async () => assert.deepEqual(await findings('schema', SCHEMA), []));

test('planted: every kind of defect is found, and nothing else', async () => {
  const planted = SCHEMA.replace('"""Begin a novel."""', '')
    .replace(/^type Query \{/m, 'type Query {\n  """Badly named."""\n  getAll_things: String\n')
    .replace(/^ {2}startCursor: String$/m, '  start: String')
    .replace(/^ {2}language: String!$/m, '  language: String! @deprecated')
    .concat('\n"""Nobody leads here."""\ntype Island {\n  """A name."""\n  islandName: String!\n}\n');
  const rules = (await findings('planted', planted)).map((found) =>
    found.split(',')[0].replace('@graphql-eslint/', ''),
  );
  assert.deepEqual([...new Set(rules)].sort(), [
    'naming-convention',
    'no-typename-prefix',
    'no-unreachable-types',
    'relay-page-info',
    'require-deprecation-date',
    'require-deprecation-reason',
    'require-description',
  ]);
});
