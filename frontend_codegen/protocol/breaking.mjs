// What has been announced to clients, and whether the schema still keeps to it.
//
// `announced/schema.graphql` is the schema that clients were last told of, without descriptions. A change that breaks it
// has a line in `announced/breaking.json` ({"change": the message of graphql-inspector, "announced": date, "why": what to
// do instead}), or is a defect. `node breaking.mjs` announces the schema as it is now, and forgets the lines.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema, parse, print, visit } from 'graphql';

import { REPOSITORY } from './product.mjs';

const ANNOUNCED = fileURLToPath(new URL('announced/schema.graphql', import.meta.url));
const BREAKING = fileURLToPath(new URL('announced/breaking.json', import.meta.url));

export const announced = () => readFileSync(ANNOUNCED, 'utf8');
export const announcements = () => JSON.parse(readFileSync(BREAKING, 'utf8'));
export const current = () => readFileSync(join(REPOSITORY, 'graphql_schema.graphql'), 'utf8');

/** Messages of the changes that break clients of `before`. */
export async function breaking(before, after) {
  const changes = await diff(buildSchema(before), buildSchema(after));
  return changes
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map(({ message }) => message);
}

function announce() {
  const bare = visit(parse(current()), {
    enter: (node) => ('description' in node ? { ...node, description: undefined } : undefined),
  });
  writeFileSync(ANNOUNCED, `${print(bare)}\n`);
  writeFileSync(BREAKING, '[]\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) announce();
