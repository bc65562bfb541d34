import { formatCount, formatPercent } from '../format';
import { useTranslation } from '../i18n/context';
import type { Conversation } from './model';

const NEARLY_FULL = 0.85;

/** How full the model's window is before the next message. */
export function Gauge({ context }: { context: Conversation['context'] }) {
  const { t, language } = useTranslation();
  if (!context) return null;
  const { usedTokens, windowTokens, summarized } = context;
  const share = windowTokens > 0 ? Math.min(usedTokens / windowTokens, 1) : 0;
  const figures = t.chat.gauge.figures(formatCount(usedTokens, language), formatCount(windowTokens, language));
  return (
    <div className="gauge" data-full={share > NEARLY_FULL || undefined} title={t.chat.gauge.label}>
      <div
        className="gauge-track"
        role="meter"
        aria-label={t.chat.gauge.label}
        aria-valuemin={0}
        aria-valuemax={windowTokens}
        aria-valuenow={Math.min(usedTokens, windowTokens)}
        aria-valuetext={`${figures}, ${formatPercent(share, language)}`}
      >
        <div style={{ inlineSize: `${Math.max(share * 100, usedTokens > 0 ? 2 : 0)}%` }} />
      </div>
      <span>{figures}</span>
      {summarized && <span>{t.chat.gauge.summarized}</span>}
    </div>
  );
}
