import { InvoicePdfDocument } from '@fabula/client';
import { useFabula } from '@fabula/client/urql';
import { useState } from 'react';

import { fileUrl } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';

/** Opens an invoice's file, in the reader's language. Its address is good for a while only, so each time is a new one. */
export function usePdf(id: string) {
  const { t, language } = useTranslation();
  const { urql } = useFabula();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const open = async () => {
    setBusy(true);
    const variables = { id, locale: language };
    const { data, error } = await urql
      .query(InvoicePdfDocument, variables, { requestPolicy: 'network-only' })
      .toPromise();
    setBusy(false);
    setProblem(problemOf(t, error));
    if (data) openTab(fileUrl(data.invoicePdf.url));
  };
  return { open, busy, problem };
}

function openTab(href: string) {
  const link = document.createElement('a');
  Object.assign(link, { href, target: '_blank', rel: 'noopener' });
  link.click();
}
