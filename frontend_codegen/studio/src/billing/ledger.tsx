import type { CombinedError } from 'urql';

import { digitsFor, formatMoment, formatSum } from '../format';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { type LedgerPage, microsOf } from './model';
import type { LedgerEntry } from './use-ledger';

interface LedgerProps {
  currency: string;
  ledger: LedgerPage<LedgerEntry> | null;
  error: CombinedError | undefined;
  busy: boolean;
  refresh: () => Promise<void>;
  more: () => Promise<void>;
}

export function Ledger({ currency, ledger, error, busy, refresh, more }: LedgerProps) {
  const { t } = useTranslation();
  return (
    <section className="ledger" aria-labelledby="ledger">
      <h2 id="ledger">{t.billing.wallet.entries}</h2>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={() => void refresh()}>{t.common.retry}</Button>
      </ProblemNotice>
      {!ledger && !error && (
        <p className="quiet" role="status">
          {t.common.loading}
        </p>
      )}
      {ledger?.entries.length === 0 && <p className="empty">{t.billing.wallet.noEntries}</p>}
      <ul>
        {ledger?.entries.map((entry) => (
          <Entry key={entry.id} entry={entry} currency={currency} />
        ))}
      </ul>
      {ledger && ledger.next !== null && (
        <Button busy={busy} onClick={() => void more()}>
          {t.common.more}
        </Button>
      )}
    </section>
  );
}

/** What the studio can see of an entry: its own accounts first, as the server has them. */
function Entry({ entry, currency }: { entry: LedgerEntry; currency: string }) {
  const { t, language } = useTranslation();
  return (
    <li className="booking">
      <p className="booking-kind">{t.billing.wallet.kinds[entry.kind]}</p>
      <p className="booking-when">
        <time dateTime={entry.createdAt}>{formatMoment(entry.createdAt, language)}</time>
        {entry.reason && <span>{entry.reason}</span>}
      </p>
      <ul className="postings">
        {entry.postings.map(({ account, amount }) => (
          <li key={account}>
            <span>{t.billing.wallet.accounts[account]}</span>
            <span className="posting-sum">{signed(amount, currency, language)}</span>
          </li>
        ))}
      </ul>
    </li>
  );
}

function signed(amount: string, currency: string, language: Parameters<typeof formatSum>[3]): string {
  const micros = microsOf(amount);
  return formatSum(micros, currency, digitsFor(Math.abs(micros)), language, true);
}
