import type { MoneyPartsFragment } from '@fabula/client';

import { digitsFor, formatSum } from '../format';
import type { Language } from '../i18n/context';
import { microsOf } from './model';

export type Money = Pick<MoneyPartsFragment, 'amount' | 'currency'>;

/** A sum with all the digits that it has. */
export function inFull({ amount, currency }: Money, language: Language): string {
  const micros = microsOf(amount);
  return formatSum(micros, currency, digitsFor(Math.abs(micros)), language);
}
