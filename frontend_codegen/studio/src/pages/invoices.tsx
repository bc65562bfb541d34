import { useInvoicesQuery } from '@fabula/client/urql';
import { useState } from 'react';

import { INVOICE_CONTEXT } from '../api';
import { BillingArea } from '../billing/area';
import { DetailsDialog, PayDialog } from '../billing/invoice-dialogs';
import { type Invoice, InvoiceRow } from '../billing/invoice-row';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

const PAGE = 20;

export function InvoicesPage() {
  const { t } = useTranslation();
  const [editing, setEditing] = useState(false);
  const [paying, setPaying] = useState<Invoice | null>(null);
  return (
    <BillingArea
      page="invoices"
      about={t.billing.invoices.about}
      action={<Button onClick={() => setEditing(true)}>{t.billing.invoices.details.open}</Button>}
    >
      <Invoices after={null} onPay={setPaying} />
      {editing && <DetailsDialog onClose={() => setEditing(false)} />}
      {paying && <PayDialog invoice={paying} onClose={() => setPaying(null)} />}
    </BillingArea>
  );
}

/** A page of the list and, once asked for, those after it. Each is read again when an invoice changes. */
function Invoices({ after, onPay }: { after: string | null; onPay: (invoice: Invoice) => void }) {
  const { t } = useTranslation();
  const [further, setFurther] = useState(false);
  const [{ data, error, fetching }, again] = useInvoicesQuery({
    variables: { first: PAGE, after },
    context: INVOICE_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const { edges, pageInfo } = data?.invoices ?? {};
  return (
    <>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={() => again({ requestPolicy: 'network-only' })}>{t.common.retry}</Button>
      </ProblemNotice>
      {fetching && !data && (
        <p className="quiet" role="status">
          {t.common.loading}
        </p>
      )}
      {edges?.length === 0 && after === null && <p className="empty">{t.billing.invoices.empty}</p>}
      <ul className="invoices">
        {edges?.map(({ node }) => (
          <InvoiceRow key={node.id} invoice={node} onPay={() => onPay(node)} />
        ))}
      </ul>
      {pageInfo?.hasNextPage &&
        (further ? (
          <Invoices after={pageInfo.endCursor ?? null} onPay={onPay} />
        ) : (
          <Button onClick={() => setFurther(true)}>{t.common.more}</Button>
        ))}
    </>
  );
}
