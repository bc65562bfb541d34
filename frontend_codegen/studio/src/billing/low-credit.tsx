import type { AutomaticTopUpPartsFragment, WalletAlertPartsFragment } from '@fabula/client';
import {
  useAutomaticTopUpQuery,
  useAutomaticTopUpSetMutation,
  useWalletAlertQuery,
  useWalletAlertSetMutation,
} from '@fabula/client/urql';
import { type ReactNode, useState } from 'react';

import { ALERT_CONTEXT, AUTOMATIC_CONTEXT } from '../api';
import { formatMoment } from '../format';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { amountOf, plainAmount } from './model';

/** What happens when the wallet runs low: somebody is told, or a card is charged. */
export function LowCredit({ currency }: { currency: string }) {
  const { t } = useTranslation();
  const [alert] = useWalletAlertQuery({ context: ALERT_CONTEXT, requestPolicy: 'cache-and-network' });
  const [automatic] = useAutomaticTopUpQuery({ context: AUTOMATIC_CONTEXT, requestPolicy: 'cache-and-network' });
  return (
    <section className="low-credit" aria-labelledby="low-credit">
      <h2 id="low-credit">{t.billing.wallet.low}</h2>
      <ProblemNotice problem={problemOf(t, alert.error ?? automatic.error)} />
      <div className="low-credit-forms">
        {alert.data && <AlertForm alert={alert.data.walletAlert ?? null} currency={currency} />}
        {automatic.data && <AutomaticForm automatic={automatic.data.automaticTopUp ?? null} currency={currency} />}
      </div>
    </section>
  );
}

interface SettingsProps {
  title: string;
  about: string;
  problem: Problem | null;
  saved: boolean;
  busy: boolean;
  onSave: () => Promise<void>;
  children: ReactNode;
}

function Settings({ title, about, problem, saved, busy, onSave, children }: SettingsProps) {
  const { t } = useTranslation();
  return (
    <form
      aria-label={title}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void onSave();
      }}
    >
      <h3>{title}</h3>
      <p className="quiet">{about}</p>
      {children}
      {problem?.field == null && <ProblemNotice problem={problem} />}
      <div className="low-credit-save">
        <Button type="submit" busy={busy}>
          {t.common.save}
        </Button>
        <span role="status">{saved && t.billing.wallet.saved}</span>
      </div>
    </form>
  );
}

interface AmountFieldProps {
  label: string;
  hint?: string;
  error: string | null;
  value: string;
  onChange: (text: string) => void;
}

function AmountField({ label, hint, error, value, onChange }: AmountFieldProps) {
  return (
    <Field label={label} error={error} {...(hint && { hint })}>
      <input inputMode="decimal" autoComplete="off" value={value} onChange={(event) => onChange(event.target.value)} />
    </Field>
  );
}

function AlertForm({ alert, currency }: { alert: WalletAlertPartsFragment | null; currency: string }) {
  const { t, language } = useTranslation();
  const words = t.billing.wallet.alert;
  const [{ fetching }, save] = useWalletAlertSetMutation();
  const [text, setText] = useState(() => (alert ? plainAmount(alert.threshold.amount) : ''));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [saved, setSaved] = useState(false);
  const onSave = async () => {
    setSaved(false);
    const threshold = amountOf(text);
    if (text.trim() && threshold === null)
      return setProblem({ code: 'BAD_USER_INPUT', message: t.billing.wallet.notAnAmount, field: 'threshold' });
    const { data, error } = await save({ input: { threshold } }, ALERT_CONTEXT);
    const found = problemOf(t, error, data?.walletAlertSet.userErrors);
    setProblem(found);
    setSaved(!found);
  };
  return (
    <Settings title={words.title} about={words.about} {...{ problem, saved, onSave }} busy={fetching}>
      <AmountField
        label={words.below(currency)}
        hint={words.hint}
        error={problem?.field ? problem.message : null}
        value={text}
        onChange={setText}
      />
      {alert?.toldAt && <p className="quiet">{words.told(formatMoment(alert.toldAt, language))}</p>}
    </Settings>
  );
}

const AMOUNTS = ['threshold', 'amount', 'monthlyLimit'] as const;

function AutomaticForm({ automatic, currency }: { automatic: AutomaticTopUpPartsFragment | null; currency: string }) {
  const { t } = useTranslation();
  const words = t.billing.wallet.automatic;
  const [{ fetching }, save] = useAutomaticTopUpSetMutation();
  const [draft, setDraft] = useState(() => ({
    threshold: plainAmount(automatic?.threshold ?? '5'),
    amount: plainAmount(automatic?.amount ?? '25'),
    monthlyLimit: plainAmount(automatic?.monthlyLimit ?? '100'),
  }));
  const [enabled, setEnabled] = useState(automatic?.enabled ?? false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [saved, setSaved] = useState(false);
  const onSave = async () => {
    setSaved(false);
    const wrong = AMOUNTS.find((name) => amountOf(draft[name]) === null);
    if (wrong) return setProblem({ code: 'BAD_USER_INPUT', message: t.billing.wallet.notAnAmount, field: wrong });
    const [threshold, amount, monthlyLimit] = AMOUNTS.map((name) => amountOf(draft[name]) ?? '') as [
      string,
      string,
      string,
    ];
    const { data, error } = await save({ input: { threshold, amount, monthlyLimit, enabled } }, AUTOMATIC_CONTEXT);
    const found = problemOf(t, error, data?.automaticTopUpSet.userErrors);
    setProblem(found);
    setSaved(!found);
  };
  const failures = automatic?.failures ?? 0;
  return (
    <Settings title={words.title} about={words.about} {...{ problem, saved, onSave }} busy={fetching}>
      <label className="check">
        <input type="checkbox" checked={enabled} onChange={(event) => setEnabled(event.target.checked)} />
        {words.enabled}
      </label>
      <div className="low-credit-amounts">
        {AMOUNTS.map((name) => (
          <AmountField
            key={name}
            label={words[name](currency)}
            error={problem?.field === name ? problem.message : null}
            value={draft[name]}
            onChange={(text) => setDraft({ ...draft, [name]: text })}
          />
        ))}
      </div>
      {failures > 0 && <p className="field-error">{words.failed(failures)}</p>}
    </Settings>
  );
}
