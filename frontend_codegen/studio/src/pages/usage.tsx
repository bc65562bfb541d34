import { UsageExportDocument } from '@fabula/client';
import { useFabula, useUsageQuery } from '@fabula/client/urql';
import { useMemo, useState } from 'react';
import { useSearchParams } from 'wouter';

import { BillingArea } from '../billing/area';
import { type SetView, ViewBar } from '../billing/view-bar';
import { type Range, today, type View, viewOf } from '../billing/model';
import { UsageReport } from '../billing/usage-report';
import { useUsageMeter } from '../billing/use-usage-meter';
import { saveText } from '../download';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { useMayBill } from '../shell/use-may-manage';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

export function UsagePage() {
  const { t } = useTranslation();
  const [search, setSearch] = useSearchParams();
  const view = useMemo(() => viewOf(search, today()), [search]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const setView: SetView = (change) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(change)) {
          if (value === null) next.delete(name);
          else next.set(name, value);
        }
        return next;
      },
      { replace: true },
    );
  return (
    <BillingArea
      page="usage"
      about={t.billing.usage.about}
      action={<Download range={view.range} onProblem={setProblem} />}
    >
      <ProblemNotice problem={problem} />
      <ViewBar view={view} setView={setView} />
      <Report view={view} setView={setView} />
    </BillingArea>
  );
}

/** The first moments of the days: the server counts whole days. */
const momentsOf = ({ from, to }: Range) => ({ from: `${from}T00:00:00Z`, to: `${to}T00:00:00Z` });

function Report({ view, setView }: { view: View; setView: SetView }) {
  const { t } = useTranslation();
  const [{ data, error, fetching }, again] = useUsageQuery({
    variables: { groupBy: ['DAY', view.by], ...momentsOf(view.range) },
    requestPolicy: 'cache-and-network',
  });
  const refresh = () => again({ requestPolicy: 'network-only' });
  useUsageMeter(useMayBill() === true, refresh);
  return (
    <div className="report" aria-busy={fetching}>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={refresh}>{t.common.retry}</Button>
      </ProblemNotice>
      {fetching && !data && (
        <p className="quiet" role="status">
          {t.common.loading}
        </p>
      )}
      {data?.usage.rows.length === 0 && !fetching && <p className="empty">{t.billing.usage.empty}</p>}
      {data && data.usage.rows.length > 0 && <UsageReport rows={data.usage.rows} view={view} setView={setView} />}
    </div>
  );
}

const CSV = 'text/csv;charset=utf-8';

function Download({ range, onProblem }: { range: Range; onProblem: (problem: Problem | null) => void }) {
  const { t } = useTranslation();
  const { urql } = useFabula();
  const [busy, setBusy] = useState(false);
  const onClick = async () => {
    setBusy(true);
    const { data, error } = await urql
      .query(UsageExportDocument, momentsOf(range), { requestPolicy: 'network-only' })
      .toPromise();
    setBusy(false);
    onProblem(problemOf(t, error));
    // Spreadsheets take a text for UTF-8 that begins with a byte order mark.
    if (data)
      saveText({
        fileName: t.billing.usage.file(range.from, range.to),
        mime: CSV,
        text: `\ufeff${data.usageExport.csv}`,
      });
  };
  return (
    <Button busy={busy} onClick={() => void onClick()}>
      {t.billing.usage.download}
    </Button>
  );
}
