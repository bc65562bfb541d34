import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Token, Tokens } from 'marked';

import { type ConversationRow, shelve, sourcesOf, withMarks, withNumberedMarks } from '../src/chat/model.js';
import { tokensOf } from '../src/chat/tokens.js';
import { tokenOf } from '../src/links.js';

const at = (rank: number, start: number, end: number) => ({ rank, place: { start, end } }) as never;
const row = (id: string, pinned: boolean, group: string | null = null) =>
  ({ id, pinned, group: group === null ? null : { id: group } }) as ConversationRow;

test('a mark is replaced where it stands, in characters as the server counts them', () => {
  assert.equal(withMarks('𠮷 lamp [2].', [at(1, 7, 10)]), '𠮷 lamp \uE0001\uE001.');
  assert.equal(withMarks('a [1] b [1]', [at(1, 2, 5), at(2, 8, 11)]), 'a \uE0001\uE001 b \uE0002\uE001');
});

test('a place outside of the text marks nothing, and nobody can write a mark themselves', () => {
  assert.equal(withMarks('short', [at(1, 3, 9)]), 'short');
  assert.equal(withMarks('x\uE0001\uE001y', []), 'x1y');
});

test('by numbers, only what is cited becomes a mark', () => {
  assert.equal(withNumberedMarks('a [1] b [7]', new Set([1])), 'a \uE0001\uE001 b [7]');
});

test('sources are listed once each, in the order of their numbers', () => {
  const cited = [{ marker: 2 }, { marker: 1 }, { marker: 2 }];
  assert.deepEqual(
    sourcesOf(cited).map(({ marker }) => marker),
    [1, 2],
  );
});

test('the list has pinned ones first, then groups in their order, then the rest', () => {
  const groups = [
    { id: 'b', name: 'B' },
    { id: 'a', name: 'A' },
  ];
  const list = shelve([row('1', false, 'a'), row('2', true, 'a'), row('3', false), row('4', false, 'gone')], groups);
  const ids = (rows: ConversationRow[]) => rows.map(({ id }) => id).join();
  assert.equal(ids(list.pinned), '2');
  assert.deepEqual(
    list.groups.map(({ group, rows }) => [group.id, ids(rows)]),
    [
      ['b', ''],
      ['a', '1'],
    ],
  );
  assert.equal(ids(list.others), '3,4');
});

test('a link that was cut off has no token, and does not stop the page', () => {
  assert.equal(tokenOf('#a%2Fb'), 'a/b');
  assert.equal(tokenOf('#%'), '');
  assert.equal(tokenOf(''), '');
});

test('whatever is nested, the page goes only so deep, and no word is lost', () => {
  const inside = (token: Token) => {
    const { tokens, items } = token as Tokens.Generic;
    return [...(tokens ?? []), ...((items as Token[] | undefined) ?? [])];
  };
  const depth = (tokens: Token[]): number => 1 + Math.max(0, ...tokens.map((one) => depth(inside(one))));
  const words = (token: Token): string => (inside(token).length > 0 ? inside(token).map(words).join('') : token.raw);
  for (const mark of ['> ', '- ', '**a *b ']) {
    const tokens = tokensOf(`${mark.repeat(400)}harbour`);
    assert.ok(depth(tokens) <= 30, mark);
    assert.match(tokens.map(words).join(''), /harbour/, mark);
  }
  assert.equal(tokensOf('>'.repeat(20_000)).map(words).join(''), '>'.repeat(20_000));
  assert.equal(depth(tokensOf('> - *a*')), 7);
});
