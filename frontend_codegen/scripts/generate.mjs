// Types, hooks and the manifest of trusted documents, from ../graphql_schema.graphql and operations/.
//
// The code is made again at every build and not kept in the repository. The manifest is kept: the server loads it,
// also where Node is not there. --write renews it, --check refuses one that differs, and a build leaves it alone.
import { readFileSync, writeFileSync } from 'node:fs';

import { ROOT, run } from './run.mjs';

const KEPT = `${ROOT}client/persisted-documents.json`;

run('graphql-codegen', ['--config', 'codegen.ts', '--silent']);
const documents = Object.entries(
  JSON.parse(readFileSync(`${ROOT}client/src/generated/persisted-documents.json`, 'utf8')),
);
if (documents.length === 0) throw new Error('the manifest is empty: documentMode must stay at its default');
const manifest = `${JSON.stringify(Object.fromEntries(documents.sort(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`;
if (process.argv.includes('--write')) writeFileSync(KEPT, manifest);
if (process.argv.includes('--check') && readFileSync(KEPT, 'utf8') !== manifest) {
  console.error('client/persisted-documents.json is not what the operations and the schema give: npm run generate');
  process.exit(1);
}
