#!/usr/bin/env node
// Registers a manifest: fabula-documents push <manifest> --app <id of the client application> [--url <endpoint>]
//
// FABULA_TOKEN has a token that may manage the application; FABULA_URL stands for --url. A hash that is not that of its
// text stops everything before anything is sent. Exit codes: 0 all registered, 1 some refused, 2 wrongly called.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const USAGE = 'usage: FABULA_TOKEN=... fabula-documents push MANIFEST --app ID [--url URL]';
const AT_ONCE = 100;
const REGISTER = `mutation TrustedDocumentsRegister($input: TrustedDocumentsRegisterInput!) {
  trustedDocumentsRegister(input: $input) { registered rejected { hash reason } userErrors { code message } }
}`;

function stop(message, code = 2) {
  console.error(message);
  process.exit(code);
}

function readManifest(path) {
  const documents = Object.entries(JSON.parse(readFileSync(path, 'utf8'))).map(([hash, text]) => ({ hash, text }));
  if (documents.length === 0) stop(`${path} is empty: documentMode must stay at its default`);
  for (const { hash, text } of documents) {
    const own = `sha256:${createHash('sha256').update(text).digest('hex')}`;
    if (own !== hash) stop(`${path}: ${hash} is not the hash of its text`);
  }
  return documents;
}

async function register(url, token, clientAppId, documents) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: REGISTER, variables: { input: { clientAppId, documents } } }),
  });
  const { data, errors } = await response.json();
  const problems = errors ?? data.trustedDocumentsRegister.userErrors;
  if (problems.length) stop(problems.map(({ message }) => message).join('\n'), 1);
  return data.trustedDocumentsRegister;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { app: { type: 'string' }, url: { type: 'string', default: process.env.FABULA_URL } },
});
const [command, path] = positionals;
const token = process.env.FABULA_TOKEN;
if (command !== 'push' || !path || !values.app || !values.url || !token) stop(USAGE);

const documents = readManifest(path);
let registered = 0;
let refused = 0;
for (let at = 0; at < documents.length; at += AT_ONCE) {
  const answer = await register(values.url, token, values.app, documents.slice(at, at + AT_ONCE));
  registered += answer.registered;
  refused += answer.rejected.length;
  for (const { hash, reason } of answer.rejected) console.error(`refused ${hash}: ${reason}`);
}
console.log(`${registered} registered, ${refused} refused`);
process.exitCode = refused ? 1 : 0;
