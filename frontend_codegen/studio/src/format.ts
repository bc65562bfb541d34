import type { MoneyPartsFragment } from '@fabula/client';

import type { Language } from './i18n/context';
import type { Strings } from './i18n/en';

const locale = (language: Language) => (language === 'zh' ? 'zh-CN' : 'en-GB');

export const formatCount = (n: number, language: Language) => new Intl.NumberFormat(locale(language)).format(n);

/** Small sums keep the digits that make them more than nothing; an unknown currency code is shown as it is. */
export function formatMoney(money: Pick<MoneyPartsFragment, 'amount' | 'currency'>, language: Language): string {
  const amount = Number(money.amount);
  const digits = amount !== 0 && Math.abs(amount) < 0.1 ? 4 : 2;
  const options = { minimumFractionDigits: digits === 4 ? 3 : 2, maximumFractionDigits: digits };
  try {
    const style = { style: 'currency', currency: money.currency, currencyDisplay: 'narrowSymbol' } as const;
    return new Intl.NumberFormat(locale(language), { ...style, ...options }).format(amount);
  } catch {
    return `${new Intl.NumberFormat(locale(language), options).format(amount)} ${money.currency}`;
  }
}

/** A sum with as many digits as said: for columns, whose figures stand below each other. */
export function formatSum(
  micros: number,
  currency: string,
  digits: number,
  language: Language,
  signed = false,
): string {
  const options: Intl.NumberFormatOptions = {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: signed ? 'exceptZero' : 'auto',
  };
  const amount = micros / MICRO;
  try {
    const style = { style: 'currency', currency, currencyDisplay: 'narrowSymbol' } as const;
    return new Intl.NumberFormat(locale(language), { ...style, ...options }).format(amount);
  } catch {
    return `${new Intl.NumberFormat(locale(language), options).format(amount)} ${currency}`;
  }
}

const MICRO = 1_000_000;

/** The digits that sums up to this one need to be told apart: cents where there are any. */
export function digitsFor(micros: number): number {
  if (micros >= MICRO || micros % (MICRO / 100) === 0) return 2;
  return micros >= MICRO / 100 ? 4 : 6;
}

export const formatCompact = (n: number, language: Language) =>
  new Intl.NumberFormat(locale(language), { notation: 'compact', maximumFractionDigits: 1 }).format(n);

/** A day of the calendar such as 2026-01-31, which is in no time zone. */
export const formatDay = (day: string, language: Language, month: 'short' | 'long' = 'long') =>
  new Intl.DateTimeFormat(locale(language), {
    day: 'numeric',
    month,
    ...(month === 'long' && { year: 'numeric' }),
    timeZone: 'UTC',
  }).format(new Date(`${day}T00:00:00Z`));

export function formatSeconds(ms: number, language: Language): string {
  const options = {
    style: 'unit',
    unit: 'second',
    unitDisplay: 'narrow',
    maximumFractionDigits: ms < 10_000 ? 1 : 0,
  } as const;
  return new Intl.NumberFormat(locale(language), options).format(ms / 1000);
}

export const formatMilliseconds = (ms: number, language: Language) =>
  new Intl.NumberFormat(locale(language), { style: 'unit', unit: 'millisecond', unitDisplay: 'short' }).format(ms);

export const formatPercent = (part: number, language: Language) =>
  new Intl.NumberFormat(locale(language), { style: 'percent', maximumFractionDigits: 1 }).format(part);

/** A figure of unknown size, with the digits that matter. */
export const formatDecimal = (n: number, language: Language) =>
  new Intl.NumberFormat(locale(language), { maximumSignificantDigits: 3 }).format(n);

/** The time of day, as a clock on the wall shows it. */
export const formatClock = (iso: string, language: Language) =>
  new Intl.DateTimeFormat(locale(language), { timeStyle: 'medium' }).format(new Date(iso));

/** A day and a time of day, in the reader's zone. */
export const formatMoment = (iso: string, language: Language) =>
  new Intl.DateTimeFormat(locale(language), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso));

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

export function formatAgo(iso: string, language: Language, t: Strings): string {
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  const step = STEPS.find(([, size]) => seconds >= size);
  if (!step) return t.time.justNow;
  return new Intl.RelativeTimeFormat(locale(language), { numeric: 'auto' }).format(
    -Math.floor(seconds / step[1]),
    step[0],
  );
}

/** The same rule as the server's: a CJK character is a word, and so is a run of other letters and digits. */
export function countWords(text: string): number {
  return (
    text.match(
      /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{N}’'-])+/gu,
    )?.length ?? 0
  );
}
