import { useDocumentTextQuery } from '@fabula/client/urql';
import { useEffect, useRef } from 'react';
import { useLocation } from 'wouter';

import { useTranslation } from '../i18n/context';
import { aroundSpan } from '../knowledge/model';
import { documentPath } from '../links';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import type { Cited } from './model';

/** Characters shown before and behind the words that were cited. */
const AROUND = 400;

/** The words that an answer stands on, in their place in the document. */
export function PassageDialog({ cited, onClose }: { cited: Cited; onClose: () => void }) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const { start, end } = cited.span;
  const from = Math.max(start - AROUND, 0);
  const [{ data, fetching }] = useDocumentTextQuery({
    variables: { id: cited.document?.id ?? '', start: from, end: end + AROUND },
    pause: cited.document === null,
  });
  const document = data?.document?.__typename === 'Document' ? data.document : null;
  const mark = useRef<HTMLElement>(null);
  useEffect(() => void mark.current?.scrollIntoView({ block: 'center' }), [document]);
  const [before, there, after] = aroundSpan(document?.text ?? '', from, cited.span);
  // A document that was read anew may have other words in this place.
  const same = document !== null && there === cited.quote;
  const actions = (
    <>
      <Button look="quiet" onClick={onClose}>
        {t.common.close}
      </Button>
      {document && (
        <Button look="primary" onClick={() => navigate(documentPath(document.id, same ? cited.span : undefined))}>
          {t.chat.openDocument}
        </Button>
      )}
    </>
  );
  return (
    <Dialog title={document?.title || cited.document?.title || t.chat.passage} onClose={onClose} actions={actions}>
      {!fetching && !document && <p className="quiet">{t.chat.passageGone}</p>}
      {document && !same && <p className="quiet">{t.chat.passageChanged}</p>}
      <blockquote className="passage" tabIndex={0} aria-label={t.chat.passage} aria-busy={fetching}>
        {same && from > 0 && '…'}
        {same && before}
        <mark ref={mark}>{cited.quote}</mark>
        {same && after}
        {same && Array.from(after).length === AROUND && '…'}
      </blockquote>
    </Dialog>
  );
}
