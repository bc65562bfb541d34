import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createTextPainter } from '../src/painter.js';

class FakeText {
  appended: string[] = [];
  constructor(public data: string) {}
  appendData(more: string) {
    this.appended.push(more);
    this.data += more;
  }
}

function fakeElement() {
  const children: FakeText[] = [];
  const element = {
    ownerDocument: { createTextNode: (text: string) => new FakeText(text) },
    replaceChildren: (node: FakeText) => void children.splice(0, children.length, node),
  };
  return { element: element as unknown as HTMLElement, text: () => children[0]! };
}

function frames() {
  const queue: (() => void)[] = [];
  return {
    next: (paint: () => void) => void queue.push(paint),
    run: () => queue.splice(0).forEach((paint) => paint()),
    queue,
  };
}

test('many texts in one frame become one append', () => {
  const { next, run, queue } = frames();
  const { element, text } = fakeElement();
  const painter = createTextPainter(next);
  painter.attach(element);
  for (const so_far of ['T', 'Th', 'The']) painter.show(so_far);
  assert.equal(queue.length, 1);
  run();
  assert.deepEqual([text().data, text().appended], ['The', ['The']]);
});

test('a text that does not continue what is shown replaces it', () => {
  const { next, run } = frames();
  const { element, text } = fakeElement();
  const painter = createTextPainter(next);
  painter.attach(element);
  painter.show('First attempt');
  run();
  painter.show('Second');
  run();
  assert.deepEqual([text().data, text().appended], ['Second', ['First attempt']]);
});

test('an element that is attached late shows all of the text at once', () => {
  const { next, run } = frames();
  const painter = createTextPainter(next);
  painter.show('already written');
  run();
  const { element, text } = fakeElement();
  painter.attach(element);
  assert.equal(text().data, 'already written');
});
