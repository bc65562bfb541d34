// A product of its own for the browser tests: free port, fresh data, gone afterwards.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'fabula-e2e-'));
const readyFile = join(directory, 'ready.json');
const args = ['-m', 'app', 'up', '--port', '0', '--data-dir', join(directory, 'data'), '--ready-file', readyFile];
const product = spawn(join(repository, '.venv/bin/python'), args, {
  cwd: repository,
  stdio: ['ignore', 'inherit', 'inherit'],
});

let said = false;
const poll = setInterval(() => {
  if (said || !existsSync(readyFile)) return;
  said = true;
  console.log(`fabula is at ${JSON.parse(readFileSync(readyFile, 'utf8')).url}`);
}, 100);
product.on('exit', (code) => {
  clearInterval(poll);
  rmSync(directory, { recursive: true, force: true });
  process.exit(said ? 0 : (code ?? 1));
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => product.kill('SIGTERM'));
