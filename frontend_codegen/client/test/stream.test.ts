import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type GenerationEvent, initialStreamState, reduceStream, type StreamState } from '../src/stream.js';

let counter = 0;
function event<T extends GenerationEvent['__typename']>(
  __typename: T,
  fields: Omit<Extract<GenerationEvent, { __typename: T }>, '__typename' | 'seq' | 'cursor' | 'at'>,
  seq = ++counter,
): GenerationEvent {
  return { __typename, seq, cursor: `c${seq}`, at: '2026-11-22T00:00:00Z', ...fields } as unknown as GenerationEvent;
}

const run = (events: GenerationEvent[], from: StreamState = initialStreamState) => events.reduce(reduceStream, from);
const version = { __typename: 'TextVersion' as const, text: 'The lamp went out.' } as never;

test('deltas append to the text and move the cursor', () => {
  const state = run([event('TextDelta', { text: 'The ' }, 1), event('TextDelta', { text: 'lamp' }, 2)]);
  assert.deepEqual([state.text, state.seq, state.cursor], ['The lamp', 2, 'c2']);
});

test('citations gather once each, and go with the attempt that set their marks', () => {
  const document = { id: 'd', title: 'The lamp' };
  const cite = (index: number, seq: number) =>
    event('CitationAdded', { index, marker: index, quote: 'oil', document } as never, seq);
  const state = run([cite(1, 1), cite(2, 2), cite(1, 3)]);
  assert.deepEqual(
    state.citations.map(({ index }) => index),
    [2, 1],
  );
  const again = event('StreamReset', { attempt: 2, reason: 'the worker died' }, 4);
  assert.deepEqual(reduceStream(state, again).citations, []);
});

test('an event that was already seen changes nothing', () => {
  const state = run([event('TextDelta', { text: 'once' }, 7)]);
  assert.equal(reduceStream(state, event('TextDelta', { text: 'once' }, 7)), state);
  assert.equal(reduceStream(state, event('TextDelta', { text: 'earlier' }, 6)), state);
});

test('a gap in seq is not an error', () => {
  assert.equal(run([event('TextDelta', { text: 'a' }, 1), event('TextDelta', { text: 'b' }, 1 << 20)]).text, 'ab');
});

test('a reset clears the text and counts', () => {
  const state = run([
    event('TextDelta', { text: 'lost' }, 1),
    event('StreamReset', { attempt: 2, reason: 'the worker died' }, 2),
    event('TextDelta', { text: 'new' }, 3),
  ]);
  assert.deepEqual([state.text, state.attempt, state.resets], ['new', 2, 1]);
});

test('a snapshot replaces the text', () => {
  const state = run([
    event('TextDelta', { text: 'The l' }, 1),
    event('StreamSnapshot', { attempt: 1, text: 'The lamp' }, 5),
  ]);
  assert.equal(state.text, 'The lamp');
});

test('who writes, how far, and what it costs are kept', () => {
  const money = (amount: string) => ({ __typename: 'Money' as const, amount, currency: 'USD' });
  const state = run([
    event('GenerationStartedEvent', { attempt: 1, model: 'demo-1', channel: 'demo' }, 1),
    event('ContextReceiptReady', { promptTokens: 812 }, 2),
    event('JobProgress', { progress: 40, note: 'draft' }, 3),
    event('MeterTick', { held: money('0.20'), accrued: money('0.01'), left: money('0.19') }, 4),
  ]);
  assert.deepEqual(
    [
      state.model,
      state.channel,
      state.promptTokens,
      state.progress,
      state.note,
      state.meter?.accrued.amount,
      state.meter?.left.amount,
    ],
    ['demo-1', 'demo', 812, 40, 'draft', '0.01', '0.19'],
  );
});

test('the stored version wins when the stream completes', () => {
  const state = run([
    event('TextDelta', { text: 'The lamp' }, 1),
    event('GenerationCompleted', { version, answer: null, usage: null }, 2),
  ]);
  assert.equal(state.text, 'The lamp went out.');
  assert.equal(state.terminal?.kind, 'completed');
});

test('a cancelled stream without a version keeps what was streamed', () => {
  const state = run([
    event('TextDelta', { text: 'The lamp' }, 1),
    event('GenerationCancelled', { version: null, answer: null }, 2),
  ]);
  assert.deepEqual([state.text, state.terminal?.kind], ['The lamp', 'cancelled']);
});

test('each other ending is told apart', () => {
  const kind = (last: GenerationEvent) => run([last]).terminal;
  assert.deepEqual(kind(event('GenerationFailed', { code: 'NO_CHANNEL', message: 'No channel.' })), {
    kind: 'failed',
    code: 'NO_CHANNEL',
    message: 'No channel.',
  });
  assert.equal(kind(event('GenerationTruncated', { truncation: 'LENGTH', version, answer: null }))?.kind, 'truncated');
  assert.equal(kind(event('StreamRevoked', { revokedCode: 'FORBIDDEN', message: 'Gone.' }))?.kind, 'revoked');
});

test('a revoked right is heard although it repeats the place of the last event', () => {
  const state = run([
    event('TextDelta', { text: 'The lamp' }, 3),
    event('StreamRevoked', { revokedCode: 'FORBIDDEN', message: '' }, 3),
  ]);
  assert.deepEqual([state.text, state.terminal?.kind, state.cursor], ['The lamp', 'revoked', 'c3']);
});

test('nothing follows a terminal event', () => {
  const ended = run([event('GenerationCancelled', { version: null, answer: null }, 1)]);
  assert.equal(reduceStream(ended, event('TextDelta', { text: 'late' }, 2)), ended);
});

test('an event of an unknown type only moves the cursor', () => {
  const unknown = { __typename: 'ChapterSang', seq: 9, cursor: 'c9', at: '' } as unknown as GenerationEvent;
  assert.deepEqual(reduceStream(initialStreamState, unknown), { ...initialStreamState, seq: 9, cursor: 'c9' });
});
