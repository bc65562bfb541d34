import type { BillingDetailsPartsFragment } from '@fabula/client';
import { useBillingDetailsQuery, useBillingDetailsSetMutation, useInvoicePayMutation } from '@fabula/client/urql';
import { useState } from 'react';

import { DETAILS_CONTEXT, PLAN_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import type { Invoice } from './invoice-row';
import { dueOf } from './model';
import { inFull } from './money';
import { outcomeOf, PayingDialog, waitingFor } from './paying';

/** A fee that is paid begins a plan, and what is paid beyond becomes credit. */
export function PayDialog({ invoice, onClose }: { invoice: Invoice; onClose: () => void }) {
  const { t, language } = useTranslation();
  const [, pay] = useInvoicePayMutation();
  const words = t.billing.invoices;
  const due = inFull({ amount: String(dueOf(invoice) / 1_000_000), currency: invoice.total.currency }, language);
  return (
    <PayingDialog
      title={words.payTitle(invoice.number)}
      submit={words.paySum(due)}
      onClose={onClose}
      onSubmit={async (idempotencyKey) => {
        const { data, error } = await pay({ input: { invoiceId: invoice.id, idempotencyKey } }, PLAN_CONTEXT);
        const answer = data?.invoicePay;
        return outcomeOf(t, error, answer?.userErrors, waitingFor(t, answer?.payment));
      }}
    >
      {() => <p>{words.payText(due)}</p>}
    </PayingDialog>
  );
}

type Details = BillingDetailsPartsFragment;

export function DetailsDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [{ data, error }] = useBillingDetailsQuery({ context: DETAILS_CONTEXT, requestPolicy: 'network-only' });
  if (data) return <DetailsForm details={data.billingDetails} onClose={onClose} />;
  return (
    <Dialog
      title={t.billing.invoices.details.open}
      onClose={onClose}
      actions={<Button onClick={onClose}>{t.common.close}</Button>}
    >
      <ProblemNotice problem={problemOf(t, error)} />
      {!error && (
        <p className="quiet" role="status">
          {t.common.loading}
        </p>
      )}
    </Dialog>
  );
}

function DetailsForm({ details, onClose }: { details: Details; onClose: () => void }) {
  const { t } = useTranslation();
  const words = t.billing.invoices.details;
  const [{ fetching }, save] = useBillingDetailsSetMutation();
  const [draft, setDraft] = useState(() => ({
    name: details.name,
    address: details.address,
    taxId: details.taxId,
    email: details.email,
    country: details.country,
  }));
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = async () => {
    const { data, error } = await save({ input: draft }, DETAILS_CONTEXT);
    setProblem(problemOf(t, error, data?.billingDetailsSet.userErrors));
    if (data?.billingDetailsSet.billingDetails) onClose();
  };
  const errorOf = (name: keyof typeof draft) => (problem?.field === name ? problem.message : null);
  const of = (name: keyof typeof draft) => ({
    value: draft[name],
    onChange: (event: { target: { value: string } }) => setDraft({ ...draft, [name]: event.target.value }),
  });
  const placed = problem?.field != null && problem.field in draft;
  return (
    <Dialog
      title={words.open}
      onClose={onClose}
      onSubmit={() => void onSubmit()}
      actions={
        <>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button look="primary" type="submit" busy={fetching}>
            {t.common.save}
          </Button>
        </>
      }
    >
      {!placed && <ProblemNotice problem={problem} />}
      <p className="quiet">{words.about}</p>
      <Field label={words.name} error={errorOf('name')}>
        <input autoFocus autoComplete="organization" {...of('name')} />
      </Field>
      <Field label={words.address} hint={words.addressHint} error={errorOf('address')} optional>
        <textarea rows={3} autoComplete="street-address" {...of('address')} />
      </Field>
      <div className="field-pair">
        <Field label={words.country} hint={words.countryHint} error={errorOf('country')} optional>
          <input maxLength={2} autoComplete="country" {...of('country')} />
        </Field>
        <Field label={words.taxId} error={errorOf('taxId')} optional>
          <input autoComplete="off" {...of('taxId')} />
        </Field>
      </div>
      <Field label={words.email} hint={words.emailHint} error={errorOf('email')} optional>
        <input type="email" autoComplete="email" {...of('email')} />
      </Field>
    </Dialog>
  );
}
