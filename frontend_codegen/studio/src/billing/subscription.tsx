import type { SubscriptionPartsFragment } from '@fabula/client';
import { useSubscriptionChangeMutation, useSubscriptionResumeMutation } from '@fabula/client/urql';
import { useState } from 'react';
import { Link } from 'wouter';

import { PLAN_CONTEXT } from '../api';
import { formatDay } from '../format';
import { useTranslation } from '../i18n/context';
import { INVOICES_PATH } from '../links';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { upgrades } from './model';
import { type Outcome, outcomeOf, useIdempotencyKey } from './paying';
import { priceOf } from './plan-card';

export type Subscription = SubscriptionPartsFragment;

export const titleOf = (version: Subscription['planVersion']) => version?.plan?.title ?? '';

/** How the tenant's subscription stands, what comes next, and what can be done about that. */
export function Current({ subscription, onCancel }: { subscription: Subscription; onCancel: () => void }) {
  const { t, language } = useTranslation();
  const words = t.billing.plan;
  const { state, planVersion, cancelAtPeriodEnd } = subscription;
  const unpaid = state === 'INCOMPLETE' || state === 'PAST_DUE';
  return (
    <section className="subscription" aria-labelledby="subscription">
      <h2 id="subscription">
        {titleOf(planVersion)}
        <span className="badge" data-state={state}>
          {words.states[state]}
        </span>
      </h2>
      {planVersion && <p className="plan-price">{priceOf(planVersion, t, language)}</p>}
      {unpaid && (
        <p className="subscription-unpaid">
          {state === 'INCOMPLETE' ? words.incomplete : words.pastDue}{' '}
          <Link href={INVOICES_PATH}>{words.toInvoices}</Link>
        </p>
      )}
      {state === 'ACTIVE' && <Ahead subscription={subscription} />}
      <div className="subscription-actions">
        <TakeBack subscription={subscription} />
        {state !== 'INCOMPLETE' && !cancelAtPeriodEnd && <Button onClick={onCancel}>{words.cancel}</Button>}
      </div>
    </section>
  );
}

function Ahead({ subscription }: { subscription: Subscription }) {
  const { t, language } = useTranslation();
  const words = t.billing.plan;
  const { planVersion, nextVersion, periodEnd, cancelAtPeriodEnd } = subscription;
  const day = formatDay(periodEnd.slice(0, 10), language);
  if (cancelAtPeriodEnd) return <p>{words.ends(day)}</p>;
  if (!nextVersion) return <p>{words.renews(day)}</p>;
  const atOnce = planVersion != null && upgrades(planVersion, nextVersion);
  const next = titleOf(nextVersion);
  return <p>{atOnce ? words.changesPaid(next) : words.changes(next, day)}</p>;
}

/** A cancellation, or a change that waits for the period's end, can be taken back. */
function TakeBack({ subscription }: { subscription: Subscription }) {
  const { t } = useTranslation();
  const words = t.billing.plan;
  const [resuming, resume] = useSubscriptionResumeMutation();
  const [staying, stay] = useSubscriptionChangeMutation();
  const { key, renew } = useIdempotencyKey();
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const { id, state, planVersion, nextVersion, cancelAtPeriodEnd } = subscription;
  const planId = planVersion?.plan?.id;
  const waits = state === 'ACTIVE' && planVersion && nextVersion && !upgrades(planVersion, nextVersion);
  const onResume = async () => {
    const { data, error } = await resume({ input: { id } }, PLAN_CONTEXT);
    setOutcome(outcomeOf(t, error, data?.subscriptionResume.userErrors));
  };
  const onStay = async (id: string) => {
    const { data, error } = await stay({ input: { planId: id, idempotencyKey: key } }, PLAN_CONTEXT);
    setOutcome(outcomeOf(t, error, data?.subscriptionChange.userErrors));
    if (data) renew();
  };
  return (
    <>
      <ProblemNotice problem={outcome?.problem ?? null} />
      {cancelAtPeriodEnd && (
        <Button look="primary" busy={resuming.fetching} onClick={() => void onResume()}>
          {words.resume}
        </Button>
      )}
      {waits && planId && (
        <Button busy={staying.fetching} onClick={() => void onStay(planId)}>
          {words.stay(titleOf(planVersion))}
        </Button>
      )}
    </>
  );
}
