import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  amountOf,
  barsOf,
  daysIn,
  dueOf,
  lastDays,
  linesOf,
  partsOf,
  plainAmount,
  sharesOf,
  sorted,
  ticksTo,
  totalOf,
  upgrades,
  type UsageRow,
  viewOf,
  withLater,
  withNewest,
} from '../src/billing/model.js';

const row = (day: string, model: string, amount: string, more: Partial<UsageRow> = {}): UsageRow => ({
  __typename: 'UsageRow',
  day,
  model,
  channel: null,
  project: null,
  member: null,
  token: null,
  inputTokens: 100,
  cachedInputTokens: 40,
  outputTokens: 10,
  reasoningTokens: 1,
  count: 1,
  cost: { __typename: 'Money', amount, currency: 'USD' },
  ...more,
});
const view = (search: string) => viewOf(new URLSearchParams(search), '2026-03-10');

test('thirty days by model are shown where the address says nothing, or nonsense', () => {
  const usual = { days: 30, range: { from: '2026-02-09', to: '2026-03-10' }, by: 'MODEL', measure: 'cost' };
  for (const search of ['', 'days=31&by=X&show=y', 'from=2026-03-02&to=2026-03-01', 'from=2026-02-30&to=2026-03-01'])
    assert.deepEqual(view(search), usual, search);
  assert.equal(daysIn(view('').range), 30);
});

test('days of one’s own are at most eleven hundred', () => {
  assert.equal(view('from=2023-03-07&to=2026-03-10').days, null, 'exactly so many');
  assert.equal(view('from=2023-03-06&to=2026-03-10').days, 30, 'one more');
});

test('sums are exact where floating point is not', () => {
  const rows = [row('2026-03-01', 'a', '0.1'), row('2026-03-01', 'b', '0.2'), row('2026-03-02', 'a', '0.000001')];
  assert.equal(totalOf(rows).micros, 300_001);
  assert.deepEqual(
    linesOf(rows, 'MODEL').map(({ name, micros, count }) => [name, micros, count]),
    [
      ['b', 200_000, 1],
      ['a', 100_001, 2],
    ],
  );
});

test('what is no longer there is one line, and two projects of one name are two', () => {
  const project = (id: string) => ({ __typename: 'Project', id, title: 'Same' }) as const;
  const rows = [
    row('2026-03-01', 'm', '3', { project: project('1') }),
    row('2026-03-01', 'm', '2', { project: project('2') }),
    row('2026-03-01', 'm', '1'),
    row('2026-03-02', 'm', '0.5'),
  ];
  assert.deepEqual(
    linesOf(rows, 'PROJECT').map(({ name, micros }) => [name, micros / 1e6]),
    [
      ['Same', 3],
      ['Same', 2],
      [null, 1.5],
    ],
  );
});

test('a line is sorted by any column, either way', () => {
  const lines = linesOf(
    [row('2026-03-01', 'b', '2'), row('2026-03-01', 'a', '2'), row('2026-03-01', 'c', '1')],
    'MODEL',
  );
  const names = (column: 'name' | 'micros', down: boolean) =>
    sorted(lines, column, down, (line) => line.name!).map(({ name }) => name);
  assert.deepEqual(names('name', false), ['a', 'b', 'c']);
  assert.deepEqual(names('micros', false), ['c', 'a', 'b']);
  assert.deepEqual(names('micros', true), ['b', 'a', 'c']);
});

test('a bar is a day, and from the sixth series on the rest are together', () => {
  const range = lastDays(7, '2026-03-07');
  const rows = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((model, at) => row('2026-03-05', model, String(10 - at)));
  const bars = barsOf(rows, linesOf(rows, 'MODEL'), range, 'MODEL', 'cost');
  assert.equal(bars.length, 7);
  assert.deepEqual(
    bars[4]!.parts.map((part) => part / 1e6),
    [10, 9, 8, 7, 6, 5 + 4],
  );
  assert.deepEqual([bars[4]!.from, bars[4]!.total / 1e6, bars[3]!.total], ['2026-03-05', 49, 0]);
});

test('many days stand together in a bar, and none is lost', () => {
  for (const [days, step] of [
    [92, 1],
    [93, 7],
    [371, 7],
    [372, 30],
    [1100, 30],
  ] as const) {
    const range = lastDays(days, '2026-03-07');
    const rows = [row(range.from, 'a', '1'), row(range.to, 'a', '2')];
    const bars = barsOf(rows, linesOf(rows, 'MODEL'), range, 'MODEL', 'tokens');
    assert.equal(bars.length, Math.ceil(days / step), String(days));
    assert.deepEqual([bars[0]!.total, bars.at(-1)!.total, bars.at(-1)!.to], [110, 110, range.to]);
  }
});

test('a scale has round steps and reaches the highest bar', () => {
  assert.deepEqual(ticksTo(0), [0, 1]);
  assert.deepEqual(ticksTo(4), [0, 1, 2, 3, 4]);
  assert.deepEqual(ticksTo(4.1), [0, 2, 4, 6]);
  assert.deepEqual(ticksTo(1_820_000), [0, 500_000, 1_000_000, 1_500_000, 2_000_000]);
  for (const most of [1, 7, 99, 12_345, 9e14]) {
    const ticks = ticksTo(most);
    assert.ok(ticks.at(-1)! >= most && ticks.at(-2)! < most && ticks.length <= 6, String(most));
  }
});

const page = (ids: string, next: string | null = 'next') => ({ entries: [...ids].map((id) => ({ id })), next });
const shown = ({ entries, next }: ReturnType<typeof page>) => [entries.map(({ id }) => id).join(''), next];

test('new entries come above those that were read, and a gap is never hidden', () => {
  assert.deepEqual(shown(withNewest(null, page('cb'))), ['cb', 'next']);
  assert.deepEqual(shown(withNewest(page('ba', null), page('cb'))), ['cba', null]);
  assert.deepEqual(shown(withNewest(page('ba', null), page('ed'))), ['ed', 'next']);
  assert.deepEqual(shown(withLater(page('dc'), page('ba', null))), ['dcba', null]);
});

test('an amount is more than nothing, with a point or a comma', () => {
  assert.deepEqual(['25', ' 12.50 ', '12,5', '0.000001', '1，5'].map(amountOf), [
    '25',
    '12.50',
    '12.5',
    '0.000001',
    '1.5',
  ]);
  for (const text of ['', '0', '0.0', '-1', '1e3', '1.2345678', '12345678', 'ten', '1,2,3'])
    assert.equal(amountOf(text), null, text);
});

test('a budget’s bar is never longer than its limit', () => {
  assert.deepEqual(partsOf({ spent: 25, reserved: 50, limit: 100 }), { spent: 25, reserved: 50 });
  assert.deepEqual(partsOf({ spent: 80, reserved: 50, limit: 100 }), { spent: 80, reserved: 20 });
  assert.deepEqual(partsOf({ spent: 120, reserved: 1, limit: 100 }), { spent: 100, reserved: 0 });
  assert.deepEqual(partsOf({ spent: 0, reserved: 0, limit: 0 }), { spent: 100, reserved: 0 });
});

test('shares are whole percents of one to a hundred', () => {
  assert.deepEqual(['80, 100', '1，100', '', '50 75'].map(sharesOf), [[80, 100], [1, 100], [], [50, 75]]);
  for (const text of ['0', '101', '12.5', 'half', '-1']) assert.equal(sharesOf(text), null, text);
});

test('an amount of the server’s is shown as people type it', () => {
  assert.deepEqual(['25.000000', '12.50', '0.000001'].map(plainAmount), ['25', '12.5', '0.000001']);
});

test('what is left of an invoice is its total without its credit notes, to the millionth', () => {
  const note = (amount: string) => ({ amount: { amount } });
  assert.equal(dueOf({ total: { amount: '9.00' }, creditNotes: [] }), 9_000_000);
  assert.equal(dueOf({ total: { amount: '0.3' }, creditNotes: [note('0.1'), note('0.2')] }), 0);
});

test('only what costs more in a year, for no shorter a period, holds at once', () => {
  const month = (amount: string) => ({ period: 'MONTH' as const, price: { amount } });
  const year = (amount: string) => ({ period: 'YEAR' as const, price: { amount } });
  assert.equal(upgrades(month('9'), month('29')), true);
  assert.equal(upgrades(month('9'), year('108.000001')), true);
  assert.equal(upgrades(month('9'), year('108')), false);
  assert.equal(upgrades(month('9'), month('9')), false);
  assert.equal(upgrades(year('90'), month('29')), false);
});
