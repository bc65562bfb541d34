import type { GrantsQuery } from '@fabula/client';

import { digitsFor, formatDay, formatSum } from '../format';
import { useTranslation } from '../i18n/context';
import { microsOf } from './model';

interface GrantsProps {
  grants: GrantsQuery['wallet']['grants'];
  currency: string;
}

/** In the order in which they are spent. */
export function Grants({ grants, currency }: GrantsProps) {
  const { t, language } = useTranslation();
  const words = t.billing.wallet;
  return (
    <section className="grants" aria-labelledby="grants">
      <h2 id="grants">{words.grants}</h2>
      <p className="quiet">{grants.length === 0 ? words.noGrants : words.grantsAbout}</p>
      <ol>
        {grants.map(({ source, left, expiresAt }, place) => {
          const micros = microsOf(left);
          return (
            <li key={place} className="grant">
              <span className="grant-source">{words.sources[source]}</span>
              <span className="grant-expiry">
                {expiresAt ? words.expires(formatDay(expiresAt.slice(0, 10), language)) : words.never}
              </span>
              <span className="grant-left">{words.left(formatSum(micros, currency, digitsFor(micros), language))}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
