/** What the usage page knows without drawing it: days, sums, series and the scale of a chart. */
import type { InvoicePartsFragment, PlanPeriod, UsageQuery } from '@fabula/client';

export type UsageRow = UsageQuery['usage']['rows'][number];
export const GROUPINGS = ['MODEL', 'CHANNEL', 'PROJECT', 'MEMBER'] as const;
export type Grouping = (typeof GROUPINGS)[number];
export const MEASURES = ['cost', 'tokens'] as const;
export type Measure = (typeof MEASURES)[number];
export const PRESETS = [7, 30, 90] as const;
export const SPAN_DAYS_MAX = 1_100;

const DAY_MS = 86_400_000;
const timeOf = (day: string) => Date.parse(`${day}T00:00:00Z`);
const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10);

/** Days such as 2026-01-31, both included. */
export interface Range {
  from: string;
  to: string;
}

export const today = () => dayOf(Date.now());
export const lastDays = (n: number, to: string): Range => ({ from: dayOf(timeOf(to) - (n - 1) * DAY_MS), to });
export const daysIn = ({ from, to }: Range) => (timeOf(to) - timeOf(from)) / DAY_MS + 1;
export const isDay = (text: string) =>
  /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(timeOf(text)) && dayOf(timeOf(text)) === text;

/** What the address says. `days` is null for days of one's own choice. */
export interface View {
  days: number | null;
  range: Range;
  by: Grouping;
  measure: Measure;
}

export function viewOf(search: URLSearchParams, now: string): View {
  const [from, to] = [search.get('from') ?? '', search.get('to') ?? ''];
  const own = isDay(from) && isDay(to) && from <= to && daysIn({ from, to }) <= SPAN_DAYS_MAX;
  const days = own ? null : (PRESETS.find((known) => String(known) === search.get('days')) ?? 30);
  return {
    days,
    range: days === null ? { from, to } : lastDays(days, now),
    by: GROUPINGS.find((known) => known === search.get('by')) ?? 'MODEL',
    measure: MEASURES.find((known) => known === search.get('show')) ?? 'cost',
  };
}

/** Amounts are exact in millionths of a unit, and these add up without rounding. */
export const microsOf = (amount: string) => Math.round(Number(amount) * 1_000_000);

// -- sums ------------------------------------------------------------------------------------------------------------

export interface Sums {
  count: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  micros: number;
}

/** A line of the table. `name` is null for what is no longer there. */
export interface Line extends Sums {
  key: string;
  name: string | null;
}

const NOTHING: Sums = {
  count: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  micros: 0,
};

const plus = (sums: Sums, row: UsageRow): Sums => ({
  count: sums.count + row.count,
  inputTokens: sums.inputTokens + row.inputTokens,
  cachedInputTokens: sums.cachedInputTokens + row.cachedInputTokens,
  outputTokens: sums.outputTokens + row.outputTokens,
  reasoningTokens: sums.reasoningTokens + row.reasoningTokens,
  micros: sums.micros + microsOf(row.cost.amount),
});

export const totalOf = (rows: UsageRow[]): Sums => rows.reduce(plus, NOTHING);

function identify(row: UsageRow, by: Grouping): { key: string; name: string | null } {
  if (by === 'PROJECT') return { key: row.project?.id ?? '', name: row.project?.title ?? null };
  if (by === 'MEMBER') return { key: row.member?.id ?? '', name: row.member?.displayName ?? null };
  const name = by === 'MODEL' ? row.model : row.channel;
  return { key: name ?? '', name };
}

/** One for each thing grouped by, the dearest first: so each keeps its colour whatever the chart shows. */
export function linesOf(rows: UsageRow[], by: Grouping): Line[] {
  const lines = new Map<string, Line>();
  for (const row of rows) {
    const { key, name } = identify(row, by);
    lines.set(key, { key, name, ...plus(lines.get(key) ?? NOTHING, row) });
  }
  return [...lines.values()].sort((a, b) => b.micros - a.micros || tokensOf(b) - tokensOf(a));
}

const tokensOf = (sums: Sums) => sums.inputTokens + sums.outputTokens;
export const measured = (sums: Sums, measure: Measure) => (measure === 'cost' ? sums.micros : tokensOf(sums));

export type Column = 'name' | keyof Sums;

export function sorted(lines: Line[], column: Column, down: boolean, nameOf: (line: Line) => string): Line[] {
  const order = (a: Line, b: Line) =>
    column === 'name'
      ? nameOf(a).localeCompare(nameOf(b))
      : a[column] - b[column] || nameOf(a).localeCompare(nameOf(b));
  return [...lines].sort((a, b) => (down ? order(b, a) : order(a, b)));
}

// -- the chart -------------------------------------------------------------------------------------------------------

export const SERIES_MAX = 5;

/** A bar: a day, or several where there are many. `parts` are in the order of the series. */
export interface Bar {
  from: string;
  to: string;
  parts: number[];
  total: number;
}

/** Bars of one day up to a quarter of a year, of a week up to a year, of thirty days beyond. */
export function barsOf(rows: UsageRow[], lines: Line[], range: Range, by: Grouping, measure: Measure): Bar[] {
  const days = daysIn(range);
  const step = days <= 92 ? 1 : days <= 371 ? 7 : 30;
  const start = timeOf(range.from);
  const series = lines.length > SERIES_MAX ? SERIES_MAX + 1 : lines.length;
  const bars = Array.from({ length: Math.ceil(days / step) }, (_, at): Bar => {
    const from = start + at * step * DAY_MS;
    const to = Math.min(from + (step - 1) * DAY_MS, timeOf(range.to));
    return { from: dayOf(from), to: dayOf(to), parts: Array<number>(series).fill(0), total: 0 };
  });
  const places = new Map(lines.map(({ key }, at) => [key, Math.min(at, SERIES_MAX)]));
  for (const row of rows) {
    const bar = bars[Math.floor((timeOf(row.day ?? '') - start) / DAY_MS / step)];
    const place = places.get(identify(row, by).key);
    if (!bar || place === undefined) continue;
    const value = measured(plus(NOTHING, row), measure);
    bar.parts[place] = (bar.parts[place] ?? 0) + value;
    bar.total += value;
  }
  return bars;
}

/** Round figures from nothing to at least `most`, three to five steps apart. Whole ones: micro-units and tokens are. */
export function ticksTo(most: number): number[] {
  const rough = Math.max(most, 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 5, 10].find((one) => one * power >= rough) ?? 10;
  const step = Math.max(1, Math.round(nice * power));
  return Array.from({ length: Math.ceil(Math.max(most, 1) / step) + 1 }, (_, at) => at * step);
}

// -- the ledger ------------------------------------------------------------------------------------------------------

/** Entries, newest first, and where to read on; null at the end. */
export interface LedgerPage<E> {
  entries: E[];
  next: string | null;
}

/** The newest page, and below it what was known. A page without anything known hides how much lies between. */
export function withNewest<E extends { id: string }>(
  known: LedgerPage<E> | null,
  newest: LedgerPage<E>,
): LedgerPage<E> {
  const ids = new Set(newest.entries.map(({ id }) => id));
  if (!known?.entries.some(({ id }) => ids.has(id))) return newest;
  return { entries: [...newest.entries, ...known.entries.filter(({ id }) => !ids.has(id))], next: known.next };
}

export function withLater<E extends { id: string }>(known: LedgerPage<E> | null, later: LedgerPage<E>): LedgerPage<E> {
  const ids = new Set(later.entries.map(({ id }) => id));
  return { entries: [...(known?.entries ?? []).filter(({ id }) => !ids.has(id)), ...later.entries], next: later.next };
}

/** An amount as the server takes it; null for what is none. A comma may stand for the point. */
export function amountOf(text: string): string | null {
  const amount = text.trim().replace(/[,，]/, '.');
  return /^\d{1,7}(\.\d{1,6})?$/.test(amount) && Number(amount) > 0 ? amount : null;
}

/** An amount of the server's as people type it: 25, not 25.000000. */
export const plainAmount = (amount: string) => String(microsOf(amount) / 1_000_000);

// -- invoices and plans ------------------------------------------------------------------------------------------------

export const isUnpaid = ({ state }: Pick<InvoicePartsFragment, 'state'>) => state === 'OPEN' || state === 'OVERDUE';

interface Owed {
  total: { amount: string };
  creditNotes: { amount: { amount: string } }[];
}

/** What is to be paid of an invoice, in micro-units: its total without what was taken back of it. */
export const dueOf = ({ total, creditNotes }: Owed) =>
  creditNotes.reduce((left, note) => left - microsOf(note.amount.amount), microsOf(total.amount));

type Fee = { period: PlanPeriod; price: { amount: string } };
const MONTHS: Record<PlanPeriod, number> = { MONTH: 1, YEAR: 12 };
const yearlyOf = ({ period, price }: Fee) => (microsOf(price.amount) * 12) / MONTHS[period];

/** Whether a change holds as soon as it is paid, by the server's rule; any other waits for the period's end. */
export const upgrades = (old: Fee, next: Fee) =>
  yearlyOf(next) > yearlyOf(old) && MONTHS[next.period] >= MONTHS[old.period];

// -- budgets ---------------------------------------------------------------------------------------------------------

export interface Standing {
  spent: number;
  reserved: number;
  limit: number;
}

/** Widths of the two parts of a budget's bar, in percent. They never come to more than all of it. */
export function partsOf({ spent, reserved, limit }: Standing): { spent: number; reserved: number } {
  const share = (micros: number) => (limit > 0 ? (micros / limit) * 100 : 100);
  const first = Math.min(share(spent), 100);
  return { spent: first, reserved: Math.min(share(reserved), 100 - first) };
}

/** Shares at which to tell people, as they are typed; null for what are none. Whole percents of 1 to 100. */
export function sharesOf(text: string): number[] | null {
  const shares = text
    .split(/[,，、\s]+/)
    .filter(Boolean)
    .map(Number);
  return shares.every((share) => Number.isInteger(share) && share >= 1 && share <= 100) ? shares : null;
}
