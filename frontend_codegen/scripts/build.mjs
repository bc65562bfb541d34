// client/dist, graphiql/dist and studio/dist, each asset also as .br and .gz, so that the server compresses nothing.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import zlib from 'node:zlib';

import { ROOT, run, runScript } from './run.mjs';

const TEXT = /\.(js|css|html|svg|json|ttf)$/;
const BYTES_MIN = 1024;
const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);

async function compress(path) {
  const content = readFileSync(path);
  if (content.length < BYTES_MIN) return;
  const params = { [zlib.constants.BROTLI_PARAM_QUALITY]: 9, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  const [br, gz] = await Promise.all([brotli(content, { params }), gzip(content, { level: 9 })]);
  writeFileSync(`${path}.br`, br);
  writeFileSync(`${path}.gz`, gz);
}

rmSync(`${ROOT}client/dist`, { recursive: true, force: true });
runScript(['scripts/generate.mjs']);
run('tsc', ['--project', 'client/tsconfig.json']);
for (const site of ['studio', 'graphiql']) {
  run('vite', ['build', '--logLevel', 'warn'], site);
  const dist = `${ROOT}${site}/dist`;
  const files = readdirSync(dist, { recursive: true }).map((name) => `${dist}/${name}`);
  await Promise.all(files.filter((path) => TEXT.test(path) && statSync(path).isFile()).map(compress));
}
