import type { GenerationEstimateInput } from '@fabula/client';
import { useEstimateGenerationQuery } from '@fabula/client/urql';
import { useEffect, useState } from 'react';

import { formatMoney } from '../format';
import { useTranslation } from '../i18n/context';

const SETTLED_MS = 600;

/** What the draft would cost as it is asked for now; nothing while that is not known. */
export function CostAhead({ input, paused }: { input: GenerationEstimateInput; paused: boolean }) {
  const { t, language } = useTranslation();
  const settled = useSettled(input);
  const [{ data, error }] = useEstimateGenerationQuery({
    variables: { input: settled },
    pause: paused,
    requestPolicy: 'cache-and-network',
  });
  const estimate = data?.estimateGeneration;
  if (!estimate || error || paused) return null;
  const { low, likely, high } = estimate;
  return (
    <p className="quiet" data-testid="cost-ahead">
      {t.generate.costAhead(formatMoney(likely, language), formatMoney(low, language), formatMoney(high, language))}
    </p>
  );
}

/** The value once nobody has changed it for a moment. */
function useSettled<T>(value: T): T {
  const body = JSON.stringify(value);
  const [settled, setSettled] = useState(body);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(body), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [body]);
  return JSON.parse(settled) as T;
}
