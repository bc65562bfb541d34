import type { GenerationPartsFragment } from '@fabula/client';
import type { TokenStreamResult } from '@fabula/client/urql';
import type { ReactNode } from 'react';

import { countWords, formatCount, formatMoney, formatSeconds } from '../format';
import { type Language, useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { failure, sentence } from '../problems';
import { phaseOf } from './model';

interface StatusLineProps {
  stream: TokenStreamResult;
  generation: GenerationPartsFragment | null;
  stopping?: boolean;
  /** What can be asked about it. */
  children?: ReactNode;
}

/** What is happening, as a sentence that is also read out; figures beside it that are not. */
export function StatusLine({ stream, generation, stopping = false, children }: StatusLineProps) {
  const { t, language } = useTranslation();
  const phase = phaseOf(stream);
  const writing = phase === 'writing' || phase === 'preparing' || phase === 'waiting';
  const count = generation?.version?.wordCount ?? countWords(stream.getText());
  const words = count ? t.chapter.words(formatCount(count, language)) : null;
  const figures = [words, ...figuresOf(t, language, stream, generation)];
  return (
    <div className="status-line">
      {writing && stream.progress !== null && (
        <progress max={100} value={stream.progress} aria-label={t.generate.progress} />
      )}
      <p role="status" className="status-sentence" data-phase={phase}>
        {stopping && writing ? t.generate.states.stopping : describe(t, stream, generation)}
      </p>
      {generation?.version?.origin === 'DEMO' && <p className="quiet">{t.generate.demoNote}</p>}
      {writing && stream.resets > 0 && <p className="quiet">{t.generate.again}</p>}
      <p className="figures">{figures.filter(Boolean).join(' · ')}</p>
      {children}
    </div>
  );
}

function describe(t: Strings, stream: TokenStreamResult, generation: GenerationPartsFragment | null): string {
  const { terminal, error } = stream;
  const { states } = t.generate;
  if (stream.status === 'idle') return describeEnded(t, generation);
  if (terminal?.kind === 'truncated') return states.truncated[terminal.reason] ?? states.cancelled;
  if (terminal?.kind === 'failed') return failure(t, terminal.code, terminal.message);
  if (terminal?.kind === 'revoked') return sentence(t, terminal.code, terminal.message);
  const phase = phaseOf(stream);
  if (phase === 'failed') return t.generate.failed(sentence(t, error?.message ?? '', error?.message ?? ''));
  return phase === 'truncated' ? states.cancelled : states[phase];
}

/** A draft that ended before this page was opened. */
function describeEnded(t: Strings, generation: GenerationPartsFragment | null): string {
  const { states } = t.generate;
  if (generation?.state === 'CANCELLED') return states.cancelled;
  if (generation?.state === 'TRUNCATED') return states.truncated[generation.truncationReason ?? ''] ?? states.cancelled;
  return states.completed;
}

/** Who writes, how fast, how much and for what: as far as it is known yet. */
function figuresOf(
  t: Strings,
  language: Language,
  stream: TokenStreamResult,
  generation: GenerationPartsFragment | null,
) {
  const attempt = generation?.attempts.at(-1);
  const { meta } = t.generate;
  const cost = generation?.usage?.cost ?? stream.meter?.accrued;
  const tokens = attempt?.inputTokens != null && attempt.outputTokens != null;
  return [
    generation?.channel ?? stream.channel,
    generation?.model ?? stream.model,
    attempt?.timeToFirstTokenMs != null && meta.firstWords(formatSeconds(attempt.timeToFirstTokenMs, language)),
    attempt?.totalMs != null && meta.total(formatSeconds(attempt.totalMs, language)),
    tokens &&
      meta.tokens(formatCount(attempt.inputTokens ?? 0, language), formatCount(attempt.outputTokens ?? 0, language)),
    cost && formatMoney(cost, language),
  ];
}
