// graphql-inspector: no change breaks a client that was not told.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { announced, announcements, breaking, current } from './breaking.mjs';

test('every breaking change is announced, with a date and what to do, and every announcement is of one', async () => {
  const told = announcements();
  assert.deepEqual((await breaking(announced(), current())).sort(), told.map(({ change }) => change).sort());
  for (const { change, announced: date, why } of told) {
    assert.match(date, /^\d{4}-\d\d-\d\d$/, change);
    assert.ok(why, change);
  }
});

const PLANTED = {
  'a field that is gone': [/^ {2}"""Its genre[^"]*"""\n {2}genre: String!$/m, '', /Field 'genre' was removed/],
  'a field that may be null now': [
    /^ {2}premise: String!$/m,
    '  premise: String',
    /changed type from 'String!' to 'String'/,
  ],
  'an argument that is required now': [
    /^ {4}after: String = null$/m,
    '    after: String!',
    /argument 'after'|Type for argument/,
  ],
  'an enum value that is gone': [
    /^ {2}"""Put aside; still readable."""\n {2}ARCHIVED$/m,
    '',
    /Enum value 'ARCHIVED' was removed/,
  ],
  'an input field that is required now': [/^ {2}model: String = null$/m, '  model: String!', /Input field/],
};

for (const [change, [pattern, instead, message]] of Object.entries(PLANTED))
  test(`planted: ${change} is found`, async () => {
    const broken = current().replace(pattern, instead);
    assert.notEqual(broken, current());
    const found = await breaking(current(), broken);
    assert.ok(found.length > 0 && found.every((one) => message.test(one)), found.join('\n') || 'nothing was found');
  });

test('what is added breaks nobody', async () => {
  const grown = current().replace(
    /^type Project implements Node \{/m,
    'type Project implements Node {\n  mood: String\n',
  );
  assert.deepEqual(await breaking(current(), grown), []);
});
