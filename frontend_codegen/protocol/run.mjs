// Every suite against one running product: `npm run test:protocol`. Names of test files as arguments choose among them.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { startProduct } from './product.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const asked = process.argv.slice(2);
const files = asked.length ? asked : readdirSync(here).filter((name) => name.endsWith('.test.mjs'));

const { env, stop } = await startProduct();
let status = 1;
try {
  // One file after another: two of them restart the API.
  const args = ['--test', '--test-concurrency=1', '--test-reporter=spec', ...files];
  ({ status } = spawnSync(process.execPath, args, { cwd: here, stdio: 'inherit', env: { ...process.env, ...env } }));
} finally {
  await stop();
}
process.exit(status ?? 1);
