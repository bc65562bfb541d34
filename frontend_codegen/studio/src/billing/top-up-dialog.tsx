import { useCreditTopUpMutation } from '@fabula/client/urql';
import { useState } from 'react';

import { WALLET_CONTEXT } from '../api';
import { formatMoney, formatSum } from '../format';
import { useTranslation } from '../i18n/context';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { amountOf, microsOf } from './model';
import type { Money } from './money';
import { type Outcome, outcomeOf, PayingDialog, waitingFor } from './paying';

const SUGGESTIONS = ['10', '25', '50', '100'];

interface TopUpDialogProps {
  currency: string;
  onClose: () => void;
}

export function TopUpDialog({ currency, onClose }: TopUpDialogProps) {
  const { t, language } = useTranslation();
  const [, topUp] = useCreditTopUpMutation();
  const [text, setText] = useState('25');
  const amount = amountOf(text);
  const onPay = async (idempotencyKey: string): Promise<Outcome> => {
    if (amount === null)
      return { problem: { code: 'BAD_USER_INPUT', message: t.billing.wallet.notAnAmount, field: 'amount' } };
    const { data, error } = await topUp({ input: { amount, idempotencyKey } }, WALLET_CONTEXT);
    const { entry, wallet, payment, userErrors } = data?.creditTopUp ?? {};
    const paid = entry && wallet ? { text: paidText(amount, wallet.available), page: null } : waitingFor(t, payment);
    return outcomeOf(t, error, userErrors, paid);
  };
  const paidText = (amount: string, available: Money) =>
    [
      t.billing.wallet.paid(formatMoney({ amount, currency }, language)),
      t.billing.wallet.nowAvailable(formatMoney(available, language)),
    ].join(' ');
  return (
    <PayingDialog
      title={t.billing.wallet.topUpTitle}
      submit={
        amount === null ? t.billing.wallet.pay : t.billing.wallet.payAmount(formatMoney({ amount, currency }, language))
      }
      onSubmit={onPay}
      onClose={onClose}
      fields={['amount']}
    >
      {(errorOf) => <Amount {...{ currency, text, setText }} error={errorOf('amount')} />}
    </PayingDialog>
  );
}

interface AmountProps {
  currency: string;
  text: string;
  setText: (text: string) => void;
  error: string | null;
}

function Amount({ currency, text, setText, error }: AmountProps) {
  const { t, language } = useTranslation();
  return (
    <>
      <Field label={t.billing.wallet.amountIn(currency)} hint={t.billing.wallet.amountHint} error={error}>
        <input
          inputMode="decimal"
          autoFocus
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </Field>
      <div className="suggestions" role="group" aria-label={t.billing.wallet.suggestions}>
        {SUGGESTIONS.map((one) => (
          <Button key={one} aria-pressed={text === one} onClick={() => setText(one)}>
            {formatSum(microsOf(one), currency, 0, language)}
          </Button>
        ))}
      </div>
    </>
  );
}
