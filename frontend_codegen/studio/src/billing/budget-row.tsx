import type { BudgetPartsFragment } from '@fabula/client';

import { digitsFor, formatDay, formatSum } from '../format';
import { useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { microsOf, partsOf } from './model';

export type Budget = BudgetPartsFragment;

/** Whose budget it is, by the name people know. */
export function nameOf(budget: Budget, t: Strings): string {
  const words = t.billing.budgets;
  switch (budget.subject) {
    case 'TENANT':
      return words.subjects.TENANT;
    case 'MEMBER':
      return budget.member?.displayName ?? words.gone;
    case 'TOKEN':
      return budget.token?.name ?? words.gone;
    case 'MODEL':
      return budget.model ?? words.gone;
  }
}

interface BudgetRowProps {
  budget: Budget;
  onEdit: () => void;
  onDelete: () => void;
}

export function BudgetRow({ budget, onEdit, onDelete }: BudgetRowProps) {
  const { t } = useTranslation();
  const words = t.billing.budgets;
  const name = nameOf(budget, t);
  return (
    <li className="budget">
      <h2>
        {name}
        {budget.subject !== 'TENANT' && <span className="badge">{words[budgetWord(budget)]}</span>}
      </h2>
      <Menu
        label={words.actions(name)}
        trigger={<Icon name="more" />}
        items={[
          { label: words.edit, onSelect: onEdit },
          { label: words.lift, onSelect: onDelete, danger: true },
        ]}
      />
      <Standing budget={budget} name={name} />
    </li>
  );
}

const budgetWord = ({ subject }: Budget) => (subject === 'MEMBER' ? 'member' : subject === 'TOKEN' ? 'token' : 'model');

/** A bar of what is spent and what is reserved, and the same in figures. */
function Standing({ budget, name }: { budget: Budget; name: string }) {
  const { t, language } = useTranslation();
  const words = t.billing.budgets;
  const { current, limit } = budget;
  const [spent, reserved, most] = [current.spent, current.reserved, limit].map(({ amount }) => microsOf(amount)) as [
    number,
    number,
    number,
  ];
  const parts = partsOf({ spent, reserved, limit: most });
  const sum = (micros: number) => formatSum(micros, limit.currency, digitsFor(micros), language);
  const figures = [words.spent(sum(spent)), words.reserved(sum(reserved)), words.of(sum(most))];
  const anew = current.resetsAt
    ? `${words.periods[budget.period]} · ${words.resets(formatDay(current.resetsAt.slice(0, 10), language))}`
    : null;
  const high = Math.min(...budget.warnAt, 100) <= ((spent + reserved) / Math.max(most, 1)) * 100;
  return (
    <>
      <div
        className="budget-bar"
        data-high={high || undefined}
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(parts.spent + parts.reserved)}
        aria-valuetext={figures.join(', ')}
      >
        <span style={{ width: `${parts.spent}%` }} />
        <span style={{ width: `${parts.reserved}%` }} />
      </div>
      <p className="budget-figures">
        <span>{figures.join(' · ')}</span>
        {anew && <span>{anew}</span>}
      </p>
    </>
  );
}
