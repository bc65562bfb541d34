import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Sink, SubscribePayload } from 'graphql-ws';

import { subscribeResumable } from '../src/resume.js';
import { createSocket } from '../src/socket.js';
import { watchGeneration } from '../src/watch.js';
import type { StreamState } from '../src/stream.js';

type AnySink = Sink<{ data?: Record<string, unknown>; errors?: readonly unknown[] }>;

/** A socket that records what was subscribed and lets the test speak for the server. */
function fakeSocket() {
  const opened: { payload: SubscribePayload; sink: AnySink; closed: boolean }[] = [];
  const subscribe = (payload: SubscribePayload, sink: unknown) => {
    const entry = { payload, sink: sink as AnySink, closed: false };
    opened.push(entry);
    return () => {
      entry.closed = true;
    };
  };
  return { opened, socket: { subscribe } as never };
}

const delta = (seq: number, text: string) => ({
  data: { generationEvents: { __typename: 'TextDelta', seq, cursor: `c${seq}`, at: '', text } },
});
const cancelled = (seq: number) => ({
  data: { generationEvents: { __typename: 'GenerationCancelled', seq, cursor: `c${seq}`, at: '', version: null } },
});
const until = async (done: () => boolean) => {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test('the payload that a reconnect sends again starts behind the last event', () => {
  const { opened, socket } = fakeSocket();
  const request = { query: 'subscription S($id: ID!, $after: String) { s }', variables: { id: 'g', after: null } };
  subscribeResumable(socket, request, { next: () => undefined, error: () => undefined, complete: () => undefined });
  opened[0]!.sink.next(delta(1, 'a') as never);
  opened[0]!.sink.next(delta(2, 'b') as never);
  assert.deepEqual(opened[0]!.payload.variables, { id: 'g', after: 'c2' });
  assert.equal(request.variables.after, null);
});

test('a repeated event is dropped', () => {
  const { opened, socket } = fakeSocket();
  const seen: unknown[] = [];
  const request = { query: 'subscription S($after: String) { s }', variables: {} };
  subscribeResumable(socket, request, {
    next: (r) => void seen.push(r),
    error: () => undefined,
    complete: () => undefined,
  });
  for (const seq of [1, 2, 2, 1, 3]) opened[0]!.sink.next(delta(seq, '') as never);
  assert.equal(seen.length, 3);
});

function watch(renew: () => Promise<boolean> = async () => false) {
  const { opened, socket } = fakeSocket();
  const log = { text: '', error: '', completed: false };
  const stop = watchGeneration(socket, { renew }, 'g', {
    next: (state: StreamState) => void (log.text = state.text),
    error: (error) => void (log.error = error.message),
    complete: () => void (log.completed = true),
  });
  return { opened, log, stop };
}

test('a stream that completes without its terminal event is subscribed again from the cursor', async () => {
  const { opened, log } = watch();
  opened[0]!.sink.next(delta(4, 'The ') as never);
  opened[0]!.sink.complete();
  await until(() => opened.length === 2);
  assert.equal(opened[1]!.payload.variables!.after, 'c4');
  opened[1]!.sink.next(delta(5, 'lamp') as never);
  opened[1]!.sink.next(cancelled(6) as never);
  opened[1]!.sink.complete();
  assert.deepEqual(log, { text: 'The lamp', error: '', completed: true });
});

test('a refused token is renewed and the stream goes on', async () => {
  const { opened, log } = watch(async () => true);
  opened[0]!.sink.error({ code: 4401, reason: 'Unauthorized' });
  await until(() => opened.length === 2);
  opened[1]!.sink.next(delta(1, 'on') as never);
  assert.deepEqual([log.text, log.error], ['on', '']);
});

test('a token that is refused again after renewal ends the watch', async () => {
  const { opened, log } = watch(async () => true);
  opened[0]!.sink.error({ code: 4401 });
  await until(() => opened.length === 2);
  opened[1]!.sink.error({ code: 4401 });
  await until(() => log.error !== '');
  assert.deepEqual([log.error, opened.length], ['UNAUTHENTICATED', 2]);
});

test('a GraphQL error ends the watch with its message', () => {
  const { opened, log } = watch();
  opened[0]!.sink.next({ errors: [{ message: 'No such generation.' }] } as never);
  assert.deepEqual([log.error, opened[0]!.closed], ['No such generation.', true]);
});

test('nothing is delivered after the watcher has stopped', () => {
  const { opened, log, stop } = watch();
  stop();
  opened[0]!.sink.next(delta(1, 'late') as never);
  opened[0]!.sink.complete();
  assert.deepEqual([log.text, log.completed, opened.length], ['', false, 1]);
});

test('a runtime without a WebSocket fails at the first subscription, not before', async () => {
  const there = globalThis.WebSocket;
  Reflect.deleteProperty(globalThis, 'WebSocket');
  try {
    const credentials = { token: async () => null, renew: async () => false };
    const socket = createSocket({ wsUrl: 'ws://127.0.0.1:1', credentials });
    const failed = new Promise<unknown>((resolve) => {
      socket.subscribe({ query: '{ a }' }, { next() {}, complete() {}, error: resolve });
    });
    assert.match(((await failed) as { reason: string }).reason, /no WebSocket/);
  } finally {
    if (there) globalThis.WebSocket = there;
  }
});
