import type { GenerationPartsFragment } from '@fabula/client';
import type { TokenStreamResult } from '@fabula/client/urql';

import { countWords, formatCount, formatMoney, formatSeconds } from '../format';
import { type Language, useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { sentence } from '../problems';
import { phaseOf } from './model';

/** What is happening, as a sentence that is also read out; figures beside it that are not. */
export function StatusLine({ stream, stopping, generation }: { stream: TokenStreamResult; stopping: boolean; generation: GenerationPartsFragment | null }) {
  const { t, language } = useTranslation();
  const phase = phaseOf(stream);
  const writing = phase === 'writing' || phase === 'preparing' || phase === 'waiting';
  const words = stream.length ? t.chapter.words(formatCount(countWords(stream.getText()), language)) : null;
  const figures = [words, ...figuresOf(t, language, stream, generation)];
  return (
    <div className="status-line">
      {writing && stream.progress !== null && <progress max={100} value={stream.progress} aria-label={t.generate.progress} />}
      <p role="status" className="status-sentence" data-phase={phase}>
        {stopping && writing ? t.generate.states.stopping : describe(t, stream)}
      </p>
      {writing && stream.resets > 0 && stream.note && <p className="quiet">{t.generate.again(stream.note)}</p>}
      <p className="figures">{figures.filter(Boolean).join(' · ')}</p>
    </div>
  );
}

function describe(t: Strings, stream: TokenStreamResult): string {
  const { terminal, error } = stream;
  const { states } = t.generate;
  if (terminal?.kind === 'truncated') return states.truncated[terminal.reason] ?? states.cancelled;
  if (terminal?.kind === 'failed' || terminal?.kind === 'revoked') return `${states.failed} ${sentence(t, terminal.code, terminal.message)}`;
  if (error) return `${states.failed} ${sentence(t, error.message, error.message)}`;
  const phase = phaseOf(stream);
  return phase === 'truncated' ? states.cancelled : states[phase];
}

/** Who writes, how fast, how much and for what: as far as it is known yet. */
function figuresOf(t: Strings, language: Language, stream: TokenStreamResult, generation: GenerationPartsFragment | null) {
  const attempt = generation?.attempts.at(-1);
  const { meta } = t.generate;
  const cost = generation?.usage?.cost ?? stream.meter?.accrued;
  const tokens = attempt?.inputTokens != null && attempt.outputTokens != null;
  return [
    generation?.channel ?? stream.channel,
    generation?.model ?? stream.model,
    attempt?.timeToFirstTokenMs != null && meta.firstWords(formatSeconds(attempt.timeToFirstTokenMs, language)),
    attempt?.totalMs != null && meta.total(formatSeconds(attempt.totalMs, language)),
    tokens && meta.tokens(formatCount(attempt.inputTokens ?? 0, language), formatCount(attempt.outputTokens ?? 0, language)),
    cost && formatMoney(cost, language),
  ];
}
