import {
  usePlanSubscribeMutation,
  useSubscriptionCancelMutation,
  useSubscriptionChangeMutation,
} from '@fabula/client/urql';
import { useState } from 'react';

import { PLAN_CONTEXT } from '../api';
import { formatDay } from '../format';
import { useTranslation } from '../i18n/context';
import { Field } from '../ui/field';
import { upgrades } from './model';
import { goTo, outcomeOf, PayingDialog } from './paying';
import { isFree, type Offer, priceOf } from './plan-card';
import { type Subscription, titleOf } from './subscription';

export function SubscribeDialog({ offer, onClose }: { offer: Offer; onClose: () => void }) {
  const { t, language } = useTranslation();
  const words = t.billing.plan;
  const [, subscribe] = usePlanSubscribeMutation();
  const [code, setCode] = useState('');
  const free = isFree(offer.version);
  return (
    <PayingDialog
      title={words.subscribeTo(offer.title)}
      submit={words.subscribe}
      onClose={onClose}
      fields={['couponCode']}
      onSubmit={async (idempotencyKey) => {
        const input = { planId: offer.id, couponCode: code.trim() || null, idempotencyKey };
        const { data, error } = await subscribe({ input }, PLAN_CONTEXT);
        const { paymentUrl, subscription, userErrors } = data?.planSubscribe ?? {};
        const waits = paymentUrl || subscription?.state === 'INCOMPLETE';
        return outcomeOf(t, error, userErrors, waits ? goTo(t, paymentUrl ?? null) : null);
      }}
    >
      {(errorOf) => (
        <>
          <p>{free ? words.subscribeFree(offer.title) : words.subscribeText(priceOf(offer.version, t, language))}</p>
          {!free && (
            <Field label={words.coupon} error={errorOf('couponCode')} optional>
              <input autoComplete="off" value={code} onChange={(event) => setCode(event.target.value)} />
            </Field>
          )}
        </>
      )}
    </PayingDialog>
  );
}

interface ChangeDialogProps {
  offer: Offer;
  subscription: Subscription;
  onClose: () => void;
}

export function ChangeDialog({ offer, subscription, onClose }: ChangeDialogProps) {
  const { t, language } = useTranslation();
  const words = t.billing.plan;
  const [, change] = useSubscriptionChangeMutation();
  const price = priceOf(offer.version, t, language);
  const atOnce = subscription.planVersion != null && upgrades(subscription.planVersion, offer.version);
  const day = formatDay(subscription.periodEnd.slice(0, 10), language);
  return (
    <PayingDialog
      title={words.changeTo(offer.title)}
      submit={words.change}
      onClose={onClose}
      onSubmit={async (idempotencyKey) => {
        const { data, error } = await change({ input: { planId: offer.id, idempotencyKey } }, PLAN_CONTEXT);
        const { paymentUrl, userErrors } = data?.subscriptionChange ?? {};
        return outcomeOf(t, error, userErrors, paymentUrl ? goTo(t, paymentUrl) : null);
      }}
    >
      {() => <p>{atOnce ? words.upgradeText(price) : words.changeText(price, day)}</p>}
    </PayingDialog>
  );
}

/** What is paid for goes on to its end; what is owed for ends now. */
export function CancelDialog({ subscription, onClose }: { subscription: Subscription; onClose: () => void }) {
  const { t, language } = useTranslation();
  const words = t.billing.plan;
  const [, cancel] = useSubscriptionCancelMutation();
  const paid = subscription.state === 'ACTIVE';
  return (
    <PayingDialog
      title={words.cancelTitle(titleOf(subscription.planVersion))}
      submit={words.cancel}
      look="danger"
      onClose={onClose}
      onSubmit={async () => {
        const { data, error } = await cancel({ input: { atPeriodEnd: paid } }, PLAN_CONTEXT);
        return outcomeOf(t, error, data?.subscriptionCancel.userErrors);
      }}
    >
      {() => (
        <p>{paid ? words.cancelText(formatDay(subscription.periodEnd.slice(0, 10), language)) : words.cancelNowText}</p>
      )}
    </PayingDialog>
  );
}
