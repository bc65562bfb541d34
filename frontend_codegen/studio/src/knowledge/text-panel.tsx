import { useDocumentTextQuery } from '@fabula/client/urql';
import { useEffect, useRef, useState } from 'react';

import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { aroundSpan, earlierWindow, firstWindow, laterWindow, type Window } from './model';

interface TextPanelProps {
  id: string;
  characters: number;
  lang: string | undefined;
  /** What somebody came to see. */
  span: Window | null;
}

/** The document's text, a piece at a time, with the passage that was cited marked. */
export function TextPanel({ id, characters, lang, span }: TextPanelProps) {
  const { t } = useTranslation();
  const [shown, setShown] = useState(() => firstWindow(span));
  const [{ data, error, fetching }] = useDocumentTextQuery({ variables: { id, ...shown } });
  const document = data?.document?.__typename === 'Document' ? data.document : null;
  const mark = useRef<HTMLElement>(null);
  const scrolled = useRef(false);
  useEffect(() => {
    if (!document || scrolled.current) return;
    scrolled.current = true;
    mark.current?.scrollIntoView({ block: 'center' });
  }, [document]);
  const [before, marked, after] = aroundSpan(document?.text ?? '', shown.start, span);
  return (
    <>
      <ProblemNotice problem={problemOf(t, error)} />
      {shown.start > 0 && (
        <Button look="quiet" busy={fetching} onClick={() => setShown(earlierWindow(shown))}>
          {t.knowledge.earlierText}
        </Button>
      )}
      {characters === 0 && <p className="quiet">{t.knowledge.noText}</p>}
      <div className="doc-text" lang={lang} role="region" aria-label={t.knowledge.wholeText} aria-busy={fetching}>
        {before}
        {marked && <mark ref={mark}>{marked}</mark>}
        {after}
      </div>
      {shown.end < characters && (
        <Button look="quiet" busy={fetching} onClick={() => setShown(laterWindow(shown))}>
          {t.knowledge.laterText}
        </Button>
      )}
    </>
  );
}
