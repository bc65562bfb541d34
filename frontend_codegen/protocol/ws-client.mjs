// Both ends of a test of graphql-transport-ws: the client of `graphql-ws`, and a socket without one.
import assert from 'node:assert/strict';
import { once } from 'node:events';

import { createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL, parseMessage } from 'graphql-ws';
import { WebSocket } from 'ws';

import { soon } from './api.mjs';

export const HELLO = '{ __typename }';

/** A client for as long as `use` takes. `opened` counts its sockets. */
export async function withClient(target, use, options = {}) {
  let opened = 0;
  const client = createClient({
    url: target.wsUrl,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${target.token}` },
    retryAttempts: 0,
    lazyCloseTimeout: 1_000,
    ...options,
  });
  client.on('opened', () => (opened += 1));
  try {
    return await use(client, () => opened);
  } finally {
    await client.dispose();
  }
}

/** How an operation goes: its results, and the error or the completion that ends it. */
export function run(client, target, payload, onNext = () => undefined) {
  const told = { results: [], error: null, completed: false };
  const ended = new Promise((resolve) => {
    client.subscribe(payload, {
      next: (result) => void (told.results.push(result), onNext(result, payload)),
      error: (error) => resolve(Object.assign(told, { error })),
      complete: () => resolve(Object.assign(told, { completed: true })),
    });
  });
  return soon(ended, target, `the end of ${payload.query}`);
}

/** A socket without a client: every message that comes is checked by graphql-ws. */
export class Bare {
  #waiting = [];
  #come = [];

  static async open(target, protocols = [GRAPHQL_TRANSPORT_WS_PROTOCOL]) {
    const bare = new Bare();
    bare.socket = new WebSocket(target.wsUrl, protocols);
    bare.target = target;
    bare.closed = soon(once(bare.socket, 'close'), target, 'the socket to close').then(([code]) => code);
    bare.closed.catch(() => undefined);
    bare.socket.on('error', () => undefined);
    bare.socket.on('message', (data) => {
      const message = parseMessage(data.toString());
      const next = bare.#waiting.shift();
      if (next) next(message);
      else bare.#come.push(message);
    });
    await soon(once(bare.socket, 'open'), target, 'the socket to open');
    return bare;
  }

  /** A socket that is acknowledged. */
  static async ready(target) {
    const bare = await Bare.open(target);
    bare.send({ type: 'connection_init', payload: { authorization: `Bearer ${target.token}` } });
    assert.deepEqual(await bare.receive(), { type: 'connection_ack' });
    return bare;
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  subscribe(id, query, variables = {}) {
    this.send({ id, type: 'subscribe', payload: { query, variables } });
  }

  receive() {
    const message = this.#come.shift();
    const next = message ? Promise.resolve(message) : new Promise((resolve) => this.#waiting.push(resolve));
    return soon(next, this.target, 'a message');
  }

  /** What came of the operations before this call: everything up to the answer of a ping. */
  async sofar() {
    this.send({ type: 'ping' });
    const messages = [];
    for (;;) {
      const message = await this.receive();
      if (message.type === 'pong') return messages;
      messages.push(message);
    }
  }

  async answers(id = 'hello') {
    this.subscribe(id, HELLO);
    assert.deepEqual(await this.receive().then(({ type, payload }) => [type, payload.data]), [
      'next',
      { __typename: 'Query' },
    ]);
    assert.deepEqual(await this.receive(), { id, type: 'complete' });
  }

  end() {
    this.socket.terminate();
  }
}
