import { usePlansQuery, useSubscriptionQuery } from '@fabula/client/urql';
import { useState } from 'react';

import { PLAN_CONTEXT } from '../api';
import { BillingArea } from '../billing/area';
import { CouponForm } from '../billing/coupon-form';
import { type Offer, PlanCard } from '../billing/plan-card';
import { CancelDialog, ChangeDialog, SubscribeDialog } from '../billing/plan-dialogs';
import { Current, type Subscription } from '../billing/subscription';
import { useUsageMeter } from '../billing/use-usage-meter';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

const PLANS_MAX = 100;

export function PlanPage() {
  const { t } = useTranslation();
  return (
    <BillingArea page="plan" about={t.billing.plan.about}>
      <Standing />
      <CouponForm />
    </BillingArea>
  );
}

/** Read again whenever money has moved: a fee that is paid elsewhere begins a plan. */
function Standing() {
  const { t } = useTranslation();
  const [cancelling, setCancelling] = useState(false);
  const [{ data, error }, again] = useSubscriptionQuery({ context: PLAN_CONTEXT, requestPolicy: 'cache-and-network' });
  const refresh = () => again({ requestPolicy: 'network-only' });
  useUsageMeter(true, refresh);
  const subscription = data?.subscription ?? null;
  return (
    <>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={refresh}>{t.common.retry}</Button>
      </ProblemNotice>
      {!data && !error && (
        <p className="quiet" role="status">
          {t.common.loading}
        </p>
      )}
      {data && !subscription && <p className="empty">{t.billing.plan.none}</p>}
      {subscription && <Current subscription={subscription} onCancel={() => setCancelling(true)} />}
      {data && <Offers subscription={subscription} />}
      {cancelling && subscription && <CancelDialog subscription={subscription} onClose={() => setCancelling(false)} />}
    </>
  );
}

/** As it stood when it was chosen: a dialog stays the same while what it asked for comes true behind it. */
interface Chosen {
  offer: Offer;
  subscription: Subscription | null;
}

function Offers({ subscription }: { subscription: Subscription | null }) {
  const { t } = useTranslation();
  const words = t.billing.plan;
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [{ data, error }, again] = usePlansQuery({
    variables: { first: PLANS_MAX },
    requestPolicy: 'cache-and-network',
  });
  const offers = data?.plans.edges.flatMap(({ node }) => (node.version ? [{ ...node, version: node.version }] : []));
  const actionOn = (offer: Offer) => {
    if (!subscription) return 'subscribe';
    const taken = [subscription.planVersion?.plan?.id, subscription.nextVersion?.plan?.id].includes(offer.id);
    return taken || subscription.state !== 'ACTIVE' ? null : 'change';
  };
  const close = () => setChosen(null);
  return (
    <section className="offers" aria-labelledby="offers">
      <h2 id="offers">{words.offers}</h2>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={() => again({ requestPolicy: 'network-only' })}>{t.common.retry}</Button>
      </ProblemNotice>
      {offers?.length === 0 && <p className="empty">{words.noOffers}</p>}
      <ul className="plans">
        {offers?.map((offer) => (
          <PlanCard
            key={offer.id}
            offer={offer}
            current={subscription?.planVersion?.plan?.id === offer.id}
            action={actionOn(offer)}
            onAct={() => setChosen({ offer, subscription })}
          />
        ))}
      </ul>
      {chosen &&
        (chosen.subscription ? (
          <ChangeDialog offer={chosen.offer} subscription={chosen.subscription} onClose={close} />
        ) : (
          <SubscribeDialog offer={chosen.offer} onClose={close} />
        ))}
    </section>
  );
}
