import { useBudgetsQuery } from '@fabula/client/urql';
import { useState } from 'react';

import { BUDGET_CONTEXT } from '../api';
import { BillingArea } from '../billing/area';
import { BudgetDialog, DeleteBudgetDialog } from '../billing/budget-dialogs';
import { type Budget, BudgetRow } from '../billing/budget-row';
import { useUsageMeter } from '../billing/use-usage-meter';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

/** What is open above the list. */
type Open = { kind: 'add' } | { kind: 'edit' | 'delete'; budget: Budget };

const BUDGETS_MAX = 100;

export function BudgetsPage() {
  const { t } = useTranslation();
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  return (
    <BillingArea
      page="budgets"
      about={t.billing.budgets.about}
      action={
        <Button look="primary" icon="plus" onClick={() => setOpen({ kind: 'add' })}>
          {t.billing.budgets.add}
        </Button>
      }
    >
      <BudgetList onOpen={setOpen} />
      {open?.kind === 'add' && <BudgetDialog budget={null} onClose={close} />}
      {open?.kind === 'edit' && <BudgetDialog budget={open.budget} onClose={close} />}
      {open?.kind === 'delete' && <DeleteBudgetDialog budget={open.budget} onClose={close} />}
    </BillingArea>
  );
}

function BudgetList({ onOpen }: { onOpen: (open: Open) => void }) {
  const { t } = useTranslation();
  const [{ data, error, fetching }, again] = useBudgetsQuery({
    variables: { first: BUDGETS_MAX },
    context: BUDGET_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const refresh = () => again({ requestPolicy: 'network-only' });
  useUsageMeter(true, refresh);
  return (
    <>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={refresh}>{t.common.retry}</Button>
      </ProblemNotice>
      {fetching && !data && (
        <p className="quiet" role="status">
          {t.common.loading}
        </p>
      )}
      {data?.budgets.edges.length === 0 && <p className="empty">{t.billing.budgets.empty}</p>}
      <ul className="budgets">
        {data?.budgets.edges.map(({ node }) => (
          <BudgetRow
            key={node.id}
            budget={node}
            onEdit={() => onOpen({ kind: 'edit', budget: node })}
            onDelete={() => onOpen({ kind: 'delete', budget: node })}
          />
        ))}
      </ul>
    </>
  );
}
