import { useGrantsQuery, useWalletQuery } from '@fabula/client/urql';
import { useState } from 'react';

import { WALLET_CONTEXT } from '../api';
import { BillingArea } from '../billing/area';
import { Grants } from '../billing/grants';
import { Ledger } from '../billing/ledger';
import { LowCredit } from '../billing/low-credit';
import { inFull } from '../billing/money';
import { TopUpDialog } from '../billing/top-up-dialog';
import { useLedger } from '../billing/use-ledger';
import { useUsageMeter } from '../billing/use-usage-meter';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

export function WalletPage() {
  const { t } = useTranslation();
  const [{ data }] = useWalletQuery();
  const [paying, setPaying] = useState(false);
  const currency = data?.wallet.available.currency;
  const action = (
    <Button look="primary" icon="plus" disabled={!currency} onClick={() => setPaying(true)}>
      {t.billing.wallet.topUp}
    </Button>
  );
  return (
    <BillingArea page="wallet" about={t.billing.wallet.about} action={action}>
      <Books />
      {paying && currency && <TopUpDialog currency={currency} onClose={() => setPaying(false)} />}
    </BillingArea>
  );
}

/** Everything is read again whenever money has moved. */
function Books() {
  const { t } = useTranslation();
  const [{ data, error }, again] = useWalletQuery({ context: WALLET_CONTEXT, requestPolicy: 'cache-and-network' });
  const [grants, grantsAgain] = useGrantsQuery({ context: WALLET_CONTEXT, requestPolicy: 'cache-and-network' });
  const ledger = useLedger();
  const refresh = () => {
    again({ requestPolicy: 'network-only' });
    grantsAgain({ requestPolicy: 'network-only' });
    void ledger.refresh();
  };
  useUsageMeter(true, refresh);
  const currency = data?.wallet.available.currency;
  return (
    <>
      <ProblemNotice problem={problemOf(t, error ?? grants.error)}>
        <Button onClick={refresh}>{t.common.retry}</Button>
      </ProblemNotice>
      {data && <Balances wallet={data.wallet} />}
      {currency && <LowCredit currency={currency} />}
      {grants.data && currency && <Grants grants={grants.data.wallet.grants} currency={currency} />}
      <Ledger {...ledger} currency={currency ?? 'USD'} />
    </>
  );
}

type Wallet = NonNullable<ReturnType<typeof useWalletQuery>[0]['data']>['wallet'];

function Balances({ wallet }: { wallet: Wallet }) {
  const { t, language } = useTranslation();
  return (
    <dl className="tallies balances">
      {(['available', 'held', 'spent'] as const).map((part) => (
        <div key={part}>
          <dt>{t.billing.wallet[part]}</dt>
          <dd>{inFull(wallet[part], language)}</dd>
        </div>
      ))}
    </dl>
  );
}
