import { type ReactNode, useState } from 'react';

import { digitsFor, formatCount, formatSum } from '../format';
import { useTranslation } from '../i18n/context';
import { type Column, type Grouping, type Line, sorted, type Sums } from './model';

interface UsageTableProps {
  lines: Line[];
  total: Sums;
  by: Grouping;
  currency: string;
  nameOf: (line: Line) => string;
}

/** The same figures as the chart's, and those that it leaves out. A press on a column's head sorts by it. */
export function UsageTable({ lines, total, by, currency, nameOf }: UsageTableProps) {
  const { t } = useTranslation();
  const words = t.billing.usage;
  const [order, setOrder] = useState<{ column: Column; down: boolean }>({ column: 'micros', down: true });
  const columns: [Column, string][] = [
    ['name', words.groups[by]],
    ['micros', words.cost],
    ['inputTokens', words.input],
    ['cachedInputTokens', words.cached],
    ['outputTokens', words.output],
    ['reasoningTokens', words.reasoning],
    ['count', words.calls],
  ];
  const onSort = (column: Column) =>
    setOrder({ column, down: order.column === column ? !order.down : column !== 'name' });
  return (
    <div className="table-scroll" role="region" aria-label={words.table} tabIndex={0}>
      <table className="sums">
        <thead>
          <tr>
            {columns.map(([column, label]) => (
              <HeadCell key={column} sort={order.column === column ? order.down : null}>
                <button type="button" title={words.sortBy(label)} onClick={() => onSort(column)}>
                  {label}
                </button>
              </HeadCell>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(lines, order.column, order.down, nameOf).map((line) => (
            <tr key={line.key}>
              <th scope="row" className={line.name === null ? 'quiet' : undefined}>
                {nameOf(line)}
              </th>
              <Figures sums={line} currency={currency} digits={digitsFor(total.micros)} />
            </tr>
          ))}
        </tbody>
        {lines.length > 1 && (
          <tfoot>
            <tr>
              <th scope="row">{words.all}</th>
              <Figures sums={total} currency={currency} digits={digitsFor(total.micros)} />
            </tr>
          </tfoot>
        )}
      </table>
    </div>
  );
}

function HeadCell({ sort, children }: { sort: boolean | null; children: ReactNode }) {
  return (
    <th scope="col" aria-sort={sort === null ? undefined : sort ? 'descending' : 'ascending'}>
      {children}
    </th>
  );
}

function Figures({ sums, currency, digits }: { sums: Sums; currency: string; digits: number }) {
  const { language } = useTranslation();
  const counts = [sums.inputTokens, sums.cachedInputTokens, sums.outputTokens, sums.reasoningTokens, sums.count];
  return (
    <>
      <td>{formatSum(sums.micros, currency, digits, language)}</td>
      {counts.map((count, index) => (
        <td key={index}>{formatCount(count, language)}</td>
      ))}
    </>
  );
}
