import type { BudgetPeriod, BudgetSetInput, BudgetSubject } from '@fabula/client';
import { useBudgetDeleteMutation, useBudgetSetMutation, useUsageQuery, useWalletQuery } from '@fabula/client/urql';
import { useState } from 'react';

import { BUDGET_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { type Budget, nameOf } from './budget-row';
import { amountOf, lastDays, sharesOf, today } from './model';

const SUBJECTS: BudgetSubject[] = ['TENANT', 'MEMBER', 'TOKEN', 'MODEL'];
const PERIODS: BudgetPeriod[] = ['DAY', 'WEEK', 'MONTH', 'TOTAL'];

/** As people type it. `of` is a member's or a token's id, or a model's name. */
interface Draft {
  subject: BudgetSubject;
  of: string;
  period: BudgetPeriod;
  limit: string;
  warnAt: string;
}

const draftOf = (budget: Budget | null): Draft => ({
  subject: budget?.subject ?? 'TENANT',
  of: budget?.member?.id ?? budget?.token?.id ?? budget?.model ?? '',
  period: budget?.period ?? 'MONTH',
  limit: budget?.limit.amount ?? '',
  warnAt: (budget?.warnAt ?? [80, 100]).join(', '),
});

const inputOf = ({ subject, of, period, limit, warnAt }: Draft): BudgetSetInput => ({
  subject,
  period,
  limit: amountOf(limit) ?? limit,
  warnAt: sharesOf(warnAt),
  ...(subject === 'MEMBER' && { memberId: of }),
  ...(subject === 'TOKEN' && { tokenId: of }),
  ...(subject === 'MODEL' && { model: of.trim() }),
});

interface FieldsProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  errorOf: (...names: string[]) => string | null;
}

/** A budget's subject and period are what it is known by: those of one that there is stay as they are. */
export function BudgetDialog({ budget, onClose }: { budget: Budget | null; onClose: () => void }) {
  const { t } = useTranslation();
  const [{ fetching }, save] = useBudgetSetMutation();
  const [draft, setDraft] = useState(() => draftOf(budget));
  const [problem, setProblem] = useState<Problem | null>(null);
  const refuse = (field: string, message: string) => setProblem({ code: 'BAD_USER_INPUT', message, field });
  const onSubmit = async () => {
    if (amountOf(draft.limit) === null) return refuse('limit', t.billing.wallet.notAnAmount);
    if (sharesOf(draft.warnAt) === null) return refuse('warnAt', t.billing.budgets.notShares);
    const { data, error } = await save({ input: inputOf(draft) }, BUDGET_CONTEXT);
    setProblem(problemOf(t, error, data?.budgetSet.userErrors));
    if (data?.budgetSet.budget) onClose();
  };
  const fields: FieldsProps = {
    draft,
    set: (change) => setDraft({ ...draft, ...change }),
    errorOf: (...names) => (problem?.field && names.includes(problem.field) ? problem.message : null),
  };
  const placed = fields.errorOf('memberId', 'tokenId', 'model', 'limit', 'warnAt');
  return (
    <Dialog
      title={budget ? t.billing.budgets.editTitle : t.billing.budgets.add}
      onClose={onClose}
      onSubmit={() => void onSubmit()}
      actions={
        <>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button look="primary" type="submit" busy={fetching}>
            {budget ? t.common.save : t.common.create}
          </Button>
        </>
      }
    >
      {!placed && <ProblemNotice problem={problem} />}
      {budget ? (
        <p className="quiet">{`${nameOf(budget, t)} · ${t.billing.budgets.periods[budget.period]}`}</p>
      ) : (
        <Whose {...fields} />
      )}
      <HowMuch {...fields} />
    </Dialog>
  );
}

function Whose(props: FieldsProps) {
  const { t } = useTranslation();
  const words = t.billing.budgets;
  const { draft, set } = props;
  return (
    <>
      <Field label={words.subject}>
        <select
          autoFocus
          value={draft.subject}
          onChange={(event) => set({ subject: event.target.value as BudgetSubject, of: '' })}
        >
          {SUBJECTS.map((subject) => (
            <option key={subject} value={subject}>
              {words.subjects[subject]}
            </option>
          ))}
        </select>
      </Field>
      {draft.subject !== 'TENANT' && <One key={draft.subject} {...props} />}
      <Field label={words.period}>
        <select value={draft.period} onChange={(event) => set({ period: event.target.value as BudgetPeriod })}>
          {PERIODS.map((period) => (
            <option key={period} value={period}>
              {words.periods[period]}
            </option>
          ))}
        </select>
      </Field>
    </>
  );
}

const WORDS = { MEMBER: 'member', TOKEN: 'token', MODEL: 'model' } as const;

/** Which member, token or model: of those that used something of late, or a model by its name. */
function One({ draft, set, errorOf }: FieldsProps) {
  const { t } = useTranslation();
  const words = t.billing.budgets;
  const subject = draft.subject === 'TENANT' ? 'MODEL' : draft.subject;
  const { from, to } = lastDays(90, today());
  const [{ data, fetching }] = useUsageQuery({
    variables: { groupBy: [subject], from: `${from}T00:00:00Z`, to: `${to}T00:00:00Z`, billed: null },
  });
  const known = (data?.usage.rows ?? []).flatMap(({ member, token, model }) => {
    if (member) return [{ key: member.id, label: member.displayName }];
    if (token) return [{ key: token.id, label: token.name }];
    return model ? [{ key: model, label: model }] : [];
  });
  const error = errorOf('memberId', 'tokenId', 'model');
  if (subject === 'MODEL')
    return (
      <>
        <Field label={words.model} error={error}>
          <input list="models" value={draft.of} onChange={(event) => set({ of: event.target.value })} />
        </Field>
        <datalist id="models">
          {known.map(({ key }) => (
            <option key={key} value={key} />
          ))}
        </datalist>
      </>
    );
  const none = fetching ? t.common.loading : known.length === 0 ? words.nobody : '';
  return (
    <Field label={words[WORDS[subject]]} hint={words.recentHint} error={error}>
      <select value={draft.of} onChange={(event) => set({ of: event.target.value })}>
        <option value="" disabled>
          {none}
        </option>
        {known.map(({ key, label }) => (
          <option key={key} value={key}>
            {label}
          </option>
        ))}
      </select>
    </Field>
  );
}

function HowMuch({ draft, set, errorOf }: FieldsProps) {
  const { t } = useTranslation();
  const words = t.billing.budgets;
  const [{ data }] = useWalletQuery();
  return (
    <div className="field-pair">
      <Field label={words.limitIn(data?.wallet.available.currency ?? '')} error={errorOf('limit')}>
        <input inputMode="decimal" value={draft.limit} onChange={(event) => set({ limit: event.target.value })} />
      </Field>
      <Field label={words.warnAt} hint={words.warnAtHint} error={errorOf('warnAt')} optional>
        <input value={draft.warnAt} onChange={(event) => set({ warnAt: event.target.value })} />
      </Field>
    </div>
  );
}

export function DeleteBudgetDialog({ budget, onClose }: { budget: Budget; onClose: () => void }) {
  const { t } = useTranslation();
  const [{ fetching }, remove] = useBudgetDeleteMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = async () => {
    const { data, error } = await remove({ input: { id: budget.id } }, BUDGET_CONTEXT);
    setProblem(problemOf(t, error, data?.budgetDelete.userErrors));
    if (data?.budgetDelete.deletedId) onClose();
  };
  return (
    <Dialog
      title={t.billing.budgets.deleteTitle(nameOf(budget, t))}
      onClose={onClose}
      onSubmit={() => void onSubmit()}
      actions={
        <>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button look="danger" type="submit" busy={fetching}>
            {t.billing.budgets.lift}
          </Button>
        </>
      }
    >
      <ProblemNotice problem={problem} />
      <p>{t.billing.budgets.deleteText}</p>
    </Dialog>
  );
}
