import type { Feature, PlanLimit, PlanPartsFragment, PlanVersionPartsFragment } from '@fabula/client';

import { formatCount, formatMoney } from '../format';
import { type Language, useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { Button } from '../ui/button';
import { microsOf } from './model';
import { inFull } from './money';

export type PlanVersion = PlanVersionPartsFragment;
/** A plan that can be begun. */
export type Offer = PlanPartsFragment & { version: PlanVersion };

const FEATURES: Feature[] = ['OWN_CHANNELS'];
const LIMITS: PlanLimit[] = ['PROJECTS', 'MEMBERS', 'CONCURRENT_GENERATIONS'];

export const isFree = (version: PlanVersion) => microsOf(version.price.amount) === 0;

export function priceOf(version: PlanVersion, t: Strings, language: Language): string {
  const words = t.billing.plan;
  return isFree(version) ? words.free : words.prices[version.period](formatMoney(version.price, language));
}

/** What a plan includes, each as a phrase. */
function included(version: PlanVersion, t: Strings, language: Language): string[] {
  const words = t.billing.plan;
  const limits = new Map(version.limits.map(({ limit, value }) => [limit, value]));
  const credit = version.includedCredit;
  return [
    microsOf(credit.amount) === 0 ? words.noCredit : words.credit[version.period](inFull(credit, language)),
    ...LIMITS.map((limit) => {
      const most = limits.get(limit);
      return most === undefined ? words.unlimited[limit] : words.limits[limit](formatCount(most, language));
    }),
    ...FEATURES.map((one) => (version.features.includes(one) ? words.features[one] : words.noFeatures[one])),
  ];
}

interface PlanCardProps {
  offer: Offer;
  current: boolean;
  /** What is offered: to begin it, to change to it, or nothing. */
  action: 'subscribe' | 'change' | null;
  onAct: () => void;
}

export function PlanCard({ offer, current, action, onAct }: PlanCardProps) {
  const { t, language } = useTranslation();
  const words = t.billing.plan;
  const { title, description, version } = offer;
  return (
    <li className="plan" data-current={current || undefined}>
      <h3>
        {title}
        {current && <span className="badge">{words.yours}</span>}
      </h3>
      <p className="quiet">{description}</p>
      <p className="plan-price">{priceOf(version, t, language)}</p>
      <ul>
        {included(version, t, language).map((phrase) => (
          <li key={phrase}>{phrase}</li>
        ))}
      </ul>
      {action && (
        <Button
          look={action === 'subscribe' ? 'primary' : 'plain'}
          aria-label={action === 'subscribe' ? words.subscribeTo(title) : words.changeTo(title)}
          onClick={onAct}
        >
          {words[action]}
        </Button>
      )}
    </li>
  );
}
