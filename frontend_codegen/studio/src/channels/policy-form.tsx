import type { Strategy } from '@fabula/client';
import { useRoutingPolicyQuery, useRoutingPolicySetMutation } from '@fabula/client/urql';
import { type ChangeEvent, type FormEvent, useState } from 'react';

import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import {
  holdsMore,
  type LevelDraft,
  NEW_LEVEL,
  policyDraftOf,
  policyInputOf,
  type StoredPolicy,
  STRATEGIES,
} from './model';

export function Policy({ mayManage }: { mayManage: boolean }) {
  const { t } = useTranslation();
  const [{ data, error }] = useRoutingPolicyQuery({ requestPolicy: 'cache-and-network' });
  return (
    <section className="policy" aria-labelledby="policy-title">
      <h2 id="policy-title">{t.policy.title}</h2>
      <p className="quiet">{t.policy.about}</p>
      <ProblemNotice problem={problemOf(t, error)} />
      {data && <PolicyForm stored={data.routingPolicy} mayManage={mayManage} />}
    </section>
  );
}

function PolicyForm({ stored, mayManage }: { stored: StoredPolicy; mayManage: boolean }) {
  const { t } = useTranslation();
  const [{ fetching }, setPolicy] = useRoutingPolicySetMutation();
  const [draft, setDraft] = useState(() => policyDraftOf(stored));
  const [problem, setProblem] = useState<Problem | null>(null);
  const dirty = JSON.stringify(draft) !== JSON.stringify(policyDraftOf(stored));
  const { fallback } = draft;

  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    const { data, error } = await setPolicy({ input: { policy: policyInputOf(draft, stored) } });
    setProblem(problemOf(t, error, data?.routingPolicySet.userErrors));
    if (data?.routingPolicySet.routingPolicy) setDraft(policyDraftOf(data.routingPolicySet.routingPolicy));
  };
  return (
    <form onSubmit={(event) => void onSubmit(event)}>
      <fieldset className="fieldset policy-levels" disabled={!mayManage}>
        <legend className="visually-hidden">{t.policy.title}</legend>
        <Level draft={draft} onChange={(change) => setDraft({ ...draft, ...change })} />
        <label className="check">
          <input
            type="checkbox"
            checked={fallback !== null}
            onChange={(event) => setDraft({ ...draft, fallback: event.target.checked ? NEW_LEVEL : null })}
          />
          {t.policy.useFallback}
        </label>
        {fallback && (
          <fieldset className="fieldset policy-fallback">
            <legend>{t.policy.fallback}</legend>
            <Level
              draft={fallback}
              onChange={(change) => setDraft({ ...draft, fallback: { ...fallback, ...change } })}
            />
          </fieldset>
        )}
      </fieldset>
      {holdsMore(stored) && <p className="field-hint">{t.policy.holdsMore}</p>}
      <ProblemNotice problem={problem} />
      {mayManage && (
        <div className="about-actions">
          <Button look="primary" type="submit" busy={fetching} disabled={!dirty}>
            {t.common.save}
          </Button>
          <span role="status">{dirty ? t.chapter.unsaved : ''}</span>
        </div>
      )}
    </form>
  );
}

function Level({ draft, onChange }: { draft: LevelDraft; onChange: (change: Partial<LevelDraft>) => void }) {
  const { t } = useTranslation();
  const bind = (name: 'groups' | 'regions' | 'models') => ({
    value: draft[name],
    onChange: (event: ChangeEvent<HTMLInputElement>) => onChange({ [name]: event.target.value }),
  });
  return (
    <>
      <Field label={t.policy.strategy} hint={t.policy.strategyHints[draft.strategy]}>
        <select value={draft.strategy} onChange={(event) => onChange({ strategy: event.target.value as Strategy })}>
          {STRATEGIES.map((strategy) => (
            <option key={strategy} value={strategy}>
              {t.policy.strategies[strategy]}
            </option>
          ))}
        </select>
      </Field>
      <label className="check">
        <input
          type="checkbox"
          checked={draft.sticky}
          onChange={(event) => onChange({ sticky: event.target.checked })}
        />
        {t.policy.sticky}
      </label>
      <Field label={t.policy.models} hint={t.policy.modelsHint} optional>
        <input {...bind('models')} />
      </Field>
      <div className="field-pair">
        <Field label={t.policy.groups} optional>
          <input {...bind('groups')} />
        </Field>
        <Field label={t.policy.regions} optional>
          <input {...bind('regions')} />
        </Field>
      </div>
    </>
  );
}
