import { LedgerEntriesDocument, type LedgerEntryPartsFragment } from '@fabula/client';
import { useFabula } from '@fabula/client/urql';
import { useCallback, useEffect, useState } from 'react';
import type { CombinedError } from 'urql';

import { type LedgerPage, withLater, withNewest } from './model';

const PAGE = 20;

export type LedgerEntry = LedgerEntryPartsFragment;

/** The ledger, newest first: what has been read of it so far, and a way to read on. */
export function useLedger() {
  const { urql } = useFabula();
  const [known, setKnown] = useState<LedgerPage<LedgerEntry> | null>(null);
  const [error, setError] = useState<CombinedError | undefined>();
  const [busy, setBusy] = useState(false);
  const read = useCallback(
    async (after: string | null): Promise<LedgerPage<LedgerEntry> | null> => {
      const variables = { first: PAGE, after };
      const found = await urql.query(LedgerEntriesDocument, variables, { requestPolicy: 'network-only' }).toPromise();
      setError(found.error);
      const list = found.data?.ledgerEntries;
      const next = list?.pageInfo.hasNextPage ? (list.pageInfo.endCursor ?? null) : null;
      return list ? { entries: list.edges.map(({ node }) => node), next } : null;
    },
    [urql],
  );
  const refresh = useCallback(async () => {
    const page = await read(null);
    if (page) setKnown((before) => withNewest(before, page));
  }, [read]);
  const more = async () => {
    setBusy(true);
    const page = await read(known?.next ?? null);
    setBusy(false);
    if (page) setKnown((before) => withLater(before, page));
  };
  useEffect(() => void refresh(), [refresh]);
  return { ledger: known, error, busy, refresh, more };
}
