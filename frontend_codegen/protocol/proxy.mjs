// Planted defects: the product behind a proxy that breaks one rule, to show that a suite notices.
import { createServer } from 'node:http';
import { once } from 'node:events';

import { WebSocket, WebSocketServer } from 'ws';

import { product } from './product.mjs';

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** `alter.response(status, headers)` gives both anew; `alter.event(text)` gives what to send for an event, if anything. */
export async function throughHttp(alter, use) {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
    const url = new URL(request.url, product().url);
    const init = { method: request.method, headers, ...(chunks.length && { body: Buffer.concat(chunks) }) };
    const answer = await fetch(url, init);
    const type = answer.headers.get('content-type') ?? '';
    const [status, more] = alter.response?.(answer.status, { 'content-type': type }) ?? [answer.status, {}];
    response.writeHead(status, { 'content-type': type, ...more });
    if (type.startsWith('text/event-stream') && alter.event) await passEvents(answer.body, response, alter.event);
    else response.write(Buffer.from(await answer.arrayBuffer()));
    response.end();
  });
  const port = await listening(server);
  try {
    return await use({ ...product(), url: `http://127.0.0.1:${port}/graphql`, patienceMs: 2_000 });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function passEvents(body, response, alter) {
  let rest = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop();
    for (const event of events) response.write(alter(event) === null ? '' : `${alter(event)}\n\n`);
  }
}

/**
 * `alter.down(message)` and `alter.up(message)` give the messages to send instead; `alter.close(code)` the code.
 * `alter.anyProtocol` takes every subprotocol.
 */
export async function throughSocket(alter, use) {
  const server = createServer();
  const sockets = new WebSocketServer({ server, handleProtocols: (asked) => [...asked][0] });
  sockets.on('connection', (client, request) => {
    const asked = alter.anyProtocol ? 'graphql-transport-ws' : request.headers['sec-websocket-protocol'];
    const upstream = new WebSocket(product().wsUrl, asked ? asked.split(/, */) : []);
    const opened = new Promise((resolve) => upstream.on('open', resolve));
    const pass = (from, to, change = (message) => [message]) =>
      from.on('message', async (data) => {
        await opened;
        for (const message of messagesOf(data, change)) to.send(message);
      });
    pass(client, upstream, alter.up);
    pass(upstream, client, alter.down);
    client.on('close', () => upstream.close());
    upstream.on('close', (code) => client.close((alter.close ?? ((same) => same))(code === 1005 ? 1000 : code)));
    upstream.on('error', () => client.terminate());
  });
  const port = await listening(server);
  try {
    return await use({ ...product(), wsUrl: `ws://127.0.0.1:${port}/graphql`, patienceMs: 2_000 });
  } finally {
    for (const client of sockets.clients) client.terminate();
    server.closeAllConnections();
    server.close();
  }
}

/** What is not of the protocol passes unchanged. */
function messagesOf(data, change) {
  const text = data.toString();
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return [text];
  }
  return typeof message?.type === 'string' ? change(message).map((one) => JSON.stringify(one)) : [text];
}
