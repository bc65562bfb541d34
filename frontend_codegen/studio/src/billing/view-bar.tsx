import { useState } from 'react';

import { formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { Field } from '../ui/field';
import { Choice } from './choice';
import { daysIn, GROUPINGS, isDay, PRESETS, type Range, SPAN_DAYS_MAX, today, type View } from './model';

export type SetView = (change: Record<string, string | null>) => void;

/** Which days, and by what they are grouped. What is chosen stands in the address. */
export function ViewBar({ view, setView }: { view: View; setView: SetView }) {
  const { t } = useTranslation();
  const words = t.billing.usage;
  const [own, setOwn] = useState(view.days === null);
  const onDays = (days: string) => {
    setOwn(days === 'own');
    if (days !== 'own') setView({ days, from: null, to: null });
  };
  return (
    <div className="view-bar">
      <Choice
        label={words.range}
        options={[
          ...PRESETS.map((n) => ({ key: String(n), label: words.lastDays(n) })),
          { key: 'own', label: words.custom },
        ]}
        chosen={own ? 'own' : String(view.days)}
        onChoose={onDays}
      />
      <Choice
        label={words.by}
        options={GROUPINGS.map((key) => ({ key, label: words.groups[key] }))}
        chosen={view.by}
        onChoose={(by) => setView({ by })}
      />
      {own && <OwnDays range={view.range} setView={setView} />}
    </div>
  );
}

function OwnDays({ range, setView }: { range: Range; setView: SetView }) {
  const { t, language } = useTranslation();
  const words = t.billing.usage;
  const [draft, setDraft] = useState(range);
  const problem =
    draft.from > draft.to
      ? words.wrongWay
      : daysIn(draft) > SPAN_DAYS_MAX
        ? words.tooLong(formatCount(SPAN_DAYS_MAX, language))
        : null;
  const set = (change: Partial<Range>) => {
    const next = { ...draft, ...change };
    setDraft(next);
    if (isDay(next.from) && isDay(next.to) && next.from <= next.to && daysIn(next) <= SPAN_DAYS_MAX)
      setView({ days: null, ...next });
  };
  return (
    <div className="view-days">
      <Field label={words.from} error={problem}>
        <input type="date" max={today()} value={draft.from} onChange={(event) => set({ from: event.target.value })} />
      </Field>
      <Field label={words.to}>
        <input type="date" max={today()} value={draft.to} onChange={(event) => set({ to: event.target.value })} />
      </Field>
    </div>
  );
}
