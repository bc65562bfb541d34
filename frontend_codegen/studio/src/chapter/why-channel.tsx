import type { RoutingDecisionPartsFragment, Strategy } from '@fabula/client';
import { useGenerationRoutingQuery } from '@fabula/client/urql';
import { type ReactNode, useState } from 'react';

import { MEASURES } from '../channels/model';
import { formatClock, formatCount, formatDecimal, formatPercent, formatSeconds } from '../format';
import { type Language, useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { ProblemNotice } from '../ui/notice';

/** For a generation that has ended: how each of its attempts came to its channel. Read only when somebody asks. */
export function WhyChannel({ generationId }: { generationId: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="link-button" onClick={() => setOpen(true)}>
        {t.routing.why}
      </button>
      {open && <WhyDialog generationId={generationId} onClose={() => setOpen(false)} />}
    </>
  );
}

function WhyDialog({ generationId, onClose }: { generationId: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [{ data, error, fetching }] = useGenerationRoutingQuery({
    variables: { id: generationId },
    requestPolicy: 'network-only',
  });
  const attempts = data?.generation?.__typename === 'Generation' ? data.generation.attempts : [];
  const decided = attempts.flatMap(({ number, routing }) => (routing ? [{ number, routing }] : []));
  return (
    <Dialog title={t.routing.why} onClose={onClose} actions={<Button onClick={onClose}>{t.common.close}</Button>}>
      <ProblemNotice problem={problemOf(t, error)} />
      {fetching && <p className="quiet">{t.common.loading}</p>}
      {data && decided.length === 0 && <p className="quiet">{t.routing.unknown}</p>}
      {decided.map(({ number, routing }) => (
        <section key={number} className="routing" aria-label={t.routing.attempt(number)}>
          {attempts.length > 1 && <h3>{t.routing.attempt(number)}</h3>}
          <p>{t.routing.strategy(t.policy.strategies[routing.strategy], routing.sticky)}</p>
          <Decision routing={routing} />
        </section>
      ))}
    </Dialog>
  );
}

function Decision({ routing: { strategy, choices, rejections, calls } }: { routing: RoutingDecisionPartsFragment }) {
  const { t, language } = useTranslation();
  return (
    <>
      <Lines title={t.routing.choices} empty={t.routing.noChoices}>
        {choices.map((one, index) => (
          <Line key={index} {...one} said={scoreOf(t, language, strategy, one.score)}>
            {t.routing.reasons[one.reason] ?? one.reason}
            {' · '}
            {t.channels.priorityIs(formatCount(one.priority, language))}
          </Line>
        ))}
      </Lines>
      <Lines title={t.routing.rejections} empty={t.routing.noRejections}>
        {rejections.map((one, index) => (
          <Line key={index} {...one} said={one.until && t.routing.until(formatClock(one.until, language))}>
            {t.routing.exclusions[one.reason] ?? one.reason}
          </Line>
        ))}
      </Lines>
      <Lines title={t.routing.calls} empty={t.routing.noCalls}>
        {calls.map((one, index) => (
          <Line key={index} {...one}>
            {one.outcome === null ? t.routing.running : (t.routing.outcomes[one.outcome] ?? one.outcome)}
          </Line>
        ))}
      </Lines>
    </>
  );
}

function Lines({ title, empty, children }: { title: string; empty: string; children: ReactNode[] }) {
  return (
    <div className="routing-lines">
      <h3>{title}</h3>
      {children.length > 0 ? <ol>{children}</ol> : <p className="quiet">{empty}</p>}
    </div>
  );
}

interface LineProps {
  channel: string;
  model: string;
  /** A figure, at the end of the first line. */
  said?: string | null;
  children: ReactNode;
}

function Line({ channel, model, said, children }: LineProps) {
  return (
    <li className="routing-line">
      <span className="routing-channel">
        {channel} · {model}
      </span>
      {said && <span className="figures">{said}</span>}
      <span className="routing-reason">{children}</span>
    </li>
  );
}

/** A score in the strategy's own measure; nothing for places in a round, which say nothing by themselves. */
function scoreOf(t: Strings, language: Language, strategy: Strategy, score: number | null): string | null {
  if (score === null) return null;
  const { scores } = t.routing;
  switch (MEASURES[strategy]) {
    case 'share':
      return scores.share(formatPercent(score, language));
    case 'failures':
      return scores.failures(formatPercent(score, language));
    case 'seconds':
      return scores.seconds(formatSeconds(score * 1000, language));
    case 'cost':
      return scores.cost(formatDecimal(score / 1_000_000, language));
    case 'rank':
      return scores.rank(formatDecimal(score, language));
  }
}
