import { type TokenStreamResult, useTokenStream } from '@fabula/client/urql';
import { useEffect } from 'react';

import { phaseOf } from '../chapter/model';
import { useFollow } from '../chapter/use-follow';
import { useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { sourcesOf } from './model';

interface AnswerStreamProps {
  generationId: string;
  /** Once nothing more will come. */
  onEnded: () => void;
}

/** An answer while it is written: words go to one text node; marks become chips once the answer is whole. */
export function AnswerStream({ generationId, onEnded }: AnswerStreamProps) {
  const { t } = useTranslation();
  const stream = useTokenStream(generationId);
  const running = !stream.terminal && stream.status !== 'error';
  const end = useFollow(stream.length, running);
  const sources = sourcesOf(stream.citations);
  useEffect(() => {
    if (!running) onEnded();
    // `onEnded` is new with every render and always means the same.
  }, [running]);
  return (
    <>
      <div className="answer-text" aria-busy={running} ref={stream.ref} />
      <p className="quiet answer-status" role="status" data-phase={phaseOf(stream)}>
        {describe(t, stream)}
      </p>
      {sources.length > 0 && (
        <ol className="sources-live" aria-label={t.chat.sources}>
          {sources.map(({ index, marker, document, quote }) => (
            <li key={index} title={quote}>
              <span className="source-number">{marker}</span> {document?.title ?? t.chat.unnamed}
            </li>
          ))}
        </ol>
      )}
      <div ref={end} />
    </>
  );
}

function describe(t: Strings, stream: TokenStreamResult): string {
  const phase = phaseOf(stream);
  return phase === 'truncated' ? t.chat.states.cancelled : t.chat.states[phase];
}
