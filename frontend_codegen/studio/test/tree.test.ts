import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { OutlineKind } from '@fabula/client';

import { canHold, type OutlineNode, stepPlace, usualParent } from '../src/outline/tree.js';

const node = (id: string, kind: OutlineKind, parentId: string | null = null) =>
  ({ id, kind, parentId, title: id }) as OutlineNode;

/** Two volumes with two chapters and one. */
const novel = [
  node('v1', 'VOLUME'),
  node('c1', 'CHAPTER', 'v1'),
  node('c2', 'CHAPTER', 'v1'),
  node('v2', 'VOLUME'),
  node('c3', 'CHAPTER', 'v2'),
];
const step = (id: string, by: -1 | 1) =>
  stepPlace(
    novel,
    novel.find((one) => one.id === id)!,
    by,
  );

test('a step up stands before the sibling above', () => {
  assert.deepEqual(step('c2', -1), { parentId: 'v1', afterId: null });
});

test('a step down stands behind the sibling below', () => {
  assert.deepEqual(step('c1', 1), { parentId: 'v1', afterId: 'c2' });
});

test('the last of a volume steps down to be the first of the next', () => {
  assert.deepEqual(step('c2', 1), { parentId: 'v2', afterId: null });
});

test('the first of a volume steps up to be the last of the one before', () => {
  assert.deepEqual(step('c3', -1), { parentId: 'v1', afterId: 'c2' });
});

test('the ends of the novel have nowhere to go', () => {
  assert.deepEqual([step('c1', -1), step('c3', 1), step('v1', -1), step('v2', 1)], [null, null, null, null]);
});

test('nothing stands inside a finer kind', () => {
  assert.deepEqual(
    [canHold('VOLUME', 'SCENE'), canHold('SCENE', 'CHAPTER'), canHold('CHAPTER', 'CHAPTER')],
    [true, false, false],
  );
});

test('a new chapter goes beside the last one, and a first scene into the last chapter', () => {
  assert.deepEqual(
    [usualParent(novel, 'CHAPTER'), usualParent(novel, 'SCENE'), usualParent([], 'CHAPTER')],
    ['v2', 'c3', null],
  );
});
