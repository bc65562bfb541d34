import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { aroundSpan, earlierWindow, firstWindow, laterWindow, spanOf } from '../src/knowledge/model.js';
import { sha256 } from '../src/knowledge/sha256.js';

test('hashes are those of SHA-256, at and around the edges of its blocks', async () => {
  for (const size of [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128, 200_003]) {
    const bytes = new Uint8Array(randomBytes(size));
    assert.equal(await sha256(new Blob([bytes])), createHash('sha256').update(bytes).digest('hex'), String(size));
  }
});

test('hashes do not depend on how the pieces of a file come', async () => {
  const bytes = new Uint8Array(randomBytes(1000));
  for (const piece of [1, 7, 63, 64, 65, 130]) {
    const stream = () =>
      new ReadableStream({
        start(controller) {
          for (let at = 0; at < bytes.length; at += piece) controller.enqueue(bytes.subarray(at, at + piece));
          controller.close();
        },
      });
    const expected = createHash('sha256').update(bytes).digest('hex');
    assert.equal(await sha256({ size: bytes.length, stream } as unknown as Blob), expected, String(piece));
  }
});

test('a text is cut around a span, in characters as the server counts them', () => {
  assert.deepEqual(aroundSpan('𠮷abcdef', 10, { start: 12, end: 14 }), ['𠮷a', 'bc', 'def']);
  assert.deepEqual(aroundSpan('abc', 0, null), ['abc', '', '']);
  assert.deepEqual(aroundSpan('abc', 10, { start: 2, end: 4 }), ['', '', 'abc']);
  assert.deepEqual(aroundSpan('abc', 0, { start: 5, end: 9 }), ['abc', '', '']);
});

test('what is shown begins before the span, holds it, and grows to both sides', () => {
  assert.deepEqual(firstWindow(null), { start: 0, end: 8000 });
  const shown = firstWindow({ start: 20_000, end: 40_000 });
  assert.deepEqual(shown, { start: 18_500, end: 40_000 });
  assert.deepEqual(earlierWindow(shown), { start: 10_500, end: 40_000 });
  assert.deepEqual(laterWindow(shown), { start: 18_500, end: 48_000 });
});

test('an address names a span, or none', () => {
  assert.deepEqual(spanOf('?start=3&end=9'), { start: 3, end: 9 });
  for (const none of ['', '?start=3', '?start=9&end=3', '?start=-1&end=2', '?start=a&end=b']) {
    assert.equal(spanOf(none), null, none);
  }
});
