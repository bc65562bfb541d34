import { useMemo } from 'react';

import { digitsFor, formatCompact, formatCount, formatDay, formatPercent, formatSum } from '../format';
import { useTranslation } from '../i18n/context';
import { BarChart } from './chart';
import { Choice } from './choice';
import {
  barsOf,
  type Line,
  linesOf,
  MEASURES,
  SERIES_MAX,
  type Sums,
  totalOf,
  type UsageRow,
  type View,
} from './model';
import { UsageTable } from './usage-table';
import type { SetView } from './view-bar';

interface UsageReportProps {
  rows: UsageRow[];
  view: View;
  setView: SetView;
}

export function UsageReport({ rows, view, setView }: UsageReportProps) {
  const { t, language } = useTranslation();
  const words = t.billing.usage;
  const { by, measure, range } = view;
  const currency = rows[0]?.cost.currency ?? '';
  const total = useMemo(() => totalOf(rows), [rows]);
  const lines = useMemo(() => linesOf(rows, by), [rows, by]);
  const bars = useMemo(() => barsOf(rows, lines, range, by, measure), [rows, lines, range, by, measure]);
  const nameOf = (line: Line) => line.name ?? words.gone[by];
  const rest = lines.length - SERIES_MAX;
  const series = lines.slice(0, SERIES_MAX).map(nameOf);
  if (rest > 0) series.push(words.others(formatCount(rest, language)));
  const most = Math.max(...bars.map((bar) => bar.total));
  const isCost = measure === 'cost';
  return (
    <>
      <Totals total={total} currency={currency} />
      <figure className="chart-figure">
        <figcaption>
          <Choice
            label={words.measure}
            options={MEASURES.map((key) => ({ key, label: words.measures[key] }))}
            chosen={measure}
            onChoose={(show) => setView({ show })}
          />
          <ul className="legend">
            {series.map((name, part) => (
              <li key={part}>
                <span className={`swatch series-${part}`} />
                {name}
              </li>
            ))}
          </ul>
        </figcaption>
        <BarChart
          title={words.chart(
            words.measures[measure],
            words.groups[by],
            formatDay(range.from, language),
            formatDay(range.to, language),
          )}
          bars={bars}
          series={series}
          format={(value) =>
            isCost ? formatSum(value, currency, digitsFor(most), language) : formatCount(value, language)
          }
          formatTick={(value, step) =>
            isCost ? formatSum(value, currency, digitsOfStep(step), language) : formatCompact(value, language)
          }
        />
      </figure>
      <UsageTable {...{ lines, total, by, currency, nameOf }} />
    </>
  );
}

/** As many as keep the steps apart: none for whole units, two for cents. */
function digitsOfStep(micros: number): number {
  const needed = Math.max(0, 6 - Math.floor(Math.log10(micros)));
  return needed === 0 ? 0 : Math.max(2, needed);
}

function Totals({ total, currency }: { total: Sums; currency: string }) {
  const { t, language } = useTranslation();
  const words = t.billing.usage;
  const share = (part: number, whole: number) => (whole > 0 ? formatPercent(part / whole, language) : '–');
  const figures: [string, string][] = [
    [words.cost, formatSum(total.micros, currency, digitsFor(total.micros), language)],
    [words.input, formatCount(total.inputTokens, language)],
    [words.cached, share(total.cachedInputTokens, total.inputTokens)],
    [words.output, formatCount(total.outputTokens, language)],
    [words.reasoning, share(total.reasoningTokens, total.outputTokens)],
    [words.calls, formatCount(total.count, language)],
  ];
  return (
    <dl className="tallies" aria-label={words.totals}>
      {figures.map(([name, figure]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{figure}</dd>
        </div>
      ))}
    </dl>
  );
}
