import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Runs a script of this repository; a failure ends everything with its exit code. */
export function runScript(args, cwd = '.') {
  spawn(process.execPath, args, cwd);
}

/** Runs the command of an installed package. */
export function run(command, args, cwd = '.') {
  spawn(`${ROOT}node_modules/.bin/${command}`, args, cwd);
}

function spawn(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT + cwd, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
