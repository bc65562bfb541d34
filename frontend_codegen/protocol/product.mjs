// A product of its own for the suites: free port, fresh data, gone afterwards.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const READY_WITHIN_MS = 120_000;

/** The environment that a suite finds the product by, and a way to end it. */
export async function startProduct() {
  const directory = mkdtempSync(join(tmpdir(), 'fabula-protocol-'));
  const readyFile = join(directory, 'ready.json');
  const env = { FABULA_READY_FILE: readyFile, FABULA_SECRET: randomBytes(32).toString('hex') };
  const args = ['-m', 'app', 'up', '--port', '0', '--data-dir', join(directory, 'data'), '--ready-file', readyFile];
  const child = spawn(join(REPOSITORY, '.venv/bin/python'), args, {
    cwd: REPOSITORY,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env, FABULA_WS_INIT_TIMEOUT_S: '1.5' },
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  };
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!existsSync(readyFile)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error('the product did not start');
    }
    await sleep(100);
  }
  return { env, stop };
}

const ready = () => JSON.parse(readFileSync(process.env.FABULA_READY_FILE, 'utf8'));

/** The product that `startProduct` started, as the tests' processes see it. */
export function product() {
  const { url, token, login } = ready();
  const secret = process.env.FABULA_SECRET;
  return { url: `${url}/graphql`, wsUrl: `${url.replace('http', 'ws')}/graphql`, token, login, secret };
}

/** Has the API process end as a deployment would; resolves once its successor answers. */
export async function restartApi() {
  const { url, pids } = ready();
  process.kill(pids.api[0], 'SIGTERM');
  while (ready().pids.api[0] === pids.api[0]) await sleep(50);
  const answers = () =>
    fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
  while (!(await answers())) await sleep(50);
}
