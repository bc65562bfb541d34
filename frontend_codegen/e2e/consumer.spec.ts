/** A customer's application, outside the tree: the packages as they are published, documents of its own, a registry. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type Api, expect, test } from './fixtures';

const FRONTEND = fileURLToPath(new URL('..', import.meta.url));
const versionOf = (name: string) => {
  const require = createRequire(`${FRONTEND}package.json`);
  const manifest = require.resolve.paths(name)!.map((path) => join(path, name, 'package.json'));
  const found = manifest.flatMap((path) => {
    try {
      return [(JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version];
    } catch {
      return [];
    }
  });
  return `${name}@${found[0]!}`;
};
const CUSTOMERS_OWN = ['@graphql-codegen/cli', 'graphql', 'react', 'urql', 'typescript', '@types/react', '@types/node'];

function sh(cwd: string, command: string, args: string[], env: Record<string, string> = {}): string {
  return execFileSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: 'pipe',
    timeout: 240_000,
  });
}

/** A new directory with the application, its packages installed and its documents generated. */
function install(): string {
  const home = mkdtempSync(join(tmpdir(), 'shelf-'));
  cpSync(join(FRONTEND, 'e2e/consumer'), home, { recursive: true });
  cpSync(join(FRONTEND, '../graphql_schema.graphql'), join(home, 'graphql_schema.graphql'));
  const packed = ['preset', 'client'].map((name) => {
    const [answer] = JSON.parse(sh(join(FRONTEND, name), 'npm', ['pack', '--json', '--pack-destination', home])) as {
      filename: string;
    }[];
    return `./${answer!.filename}`;
  });
  sh(home, 'npm', [
    'install',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...packed,
    ...CUSTOMERS_OWN.map(versionOf),
  ]);
  sh(home, 'npx', ['graphql-codegen', '--silent']);
  return home;
}

/** A client application that may send its registered documents and nothing else, and a token of it. */
async function register(api: Api) {
  const made = await api.run<{ clientAppCreate: { clientApp: { id: string } } }>(
    `mutation ($input: ClientAppCreateInput!) { clientAppCreate(input: $input) { clientApp { id } } }`,
    { input: { name: 'Shelf', mode: 'REQUIRE' } },
  );
  const clientAppId = made.clientAppCreate.clientApp.id;
  const { apiTokenCreate } = await api.run<{ apiTokenCreate: { token: string } }>(
    `mutation ($input: ApiTokenCreateInput!) { apiTokenCreate(input: $input) { token } }`,
    { input: { name: 'Shelf', scopes: ['read', 'write'], clientAppId } },
  );
  return { clientAppId, token: apiTokenCreate.token };
}

test.describe('a customer’s application', () => {
  let home = '';

  test.beforeAll(() => {
    test.setTimeout(300_000);
    home = install();
  });
  test.afterAll(() => rmSync(home, { recursive: true, force: true }));

  test('compiles strictly, and its manifest has the hash of each text', () => {
    test.setTimeout(120_000);
    expect(sh(home, 'npx', ['tsc'])).toBe('');
    const manifest = Object.entries(
      JSON.parse(readFileSync(join(home, 'src/gql/persisted-documents.json'), 'utf8')) as Record<string, string>,
    );
    expect(manifest.map(([, text]) => /(query|mutation) (\w+)/.exec(text)![2]).sort()).toEqual(['AddNovel', 'Shelf']);
    for (const [hash, text] of manifest) {
      expect(hash).toBe(`sha256:${createHash('sha256').update(text).digest('hex')}`);
      expect(text.match(/__typename/g)!.length).toBeGreaterThan(1);
      expect(readFileSync(join(home, 'src/gql/graphql.ts'), 'utf8')).toContain(hash);
    }
  });

  test('registers its manifest, and is then answered by hash and refused by text', async ({
    api,
    baseURL,
    request,
  }) => {
    const url = `${baseURL}/graphql`;
    const { clientAppId, token } = await register(api);
    const ask = () => sh(home, 'node', ['out/ask.js', url, token]);
    expect(ask).toThrow(/PERSISTED_DOCUMENT_NOT_FOUND/);
    const push = ['fabula-documents', 'push', 'src/gql/persisted-documents.json', '--app', clientAppId];
    expect(sh(home, 'npx', push, { FABULA_URL: url, FABULA_TOKEN: api.token })).toBe('2 registered, 0 refused\n');
    expect(ask()).toMatch(/^[12] Project\n$/);
    const answer = await request.post('/graphql', {
      headers: { authorization: `Bearer ${token}` },
      data: { query: '{ me { role } }' },
    });
    expect(JSON.stringify(await answer.json())).toContain('PERSISTED_DOCUMENT_NOT_FOUND');
  });

  test('is told of a hash that is not its text’s, and of a mode that would write an empty manifest', async ({
    api,
  }) => {
    writeFileSync(join(home, 'bad.json'), JSON.stringify({ [`sha256:${'0'.repeat(64)}`]: 'query Q { me { role } }' }));
    const push = () =>
      sh(home, 'npx', ['fabula-documents', 'push', 'bad.json', '--app', 'x', '--url', 'http://127.0.0.1:1'], {
        FABULA_TOKEN: api.token,
      });
    expect(push).toThrow(/is not the hash of its text/);
    const config = readFileSync(join(home, 'codegen.ts'), 'utf8');
    writeFileSync(
      join(home, 'mode.ts'),
      config.replace("preset: '@", "config: { documentMode: 'documentNode' }, preset: '@"),
    );
    const generate = () => sh(home, 'npx', ['graphql-codegen', '--config', 'mode.ts', '--verbose']);
    expect(generate).toThrow(/documentMode stays at its default/);
  });
});
