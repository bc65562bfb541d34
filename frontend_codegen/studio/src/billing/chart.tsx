import { type KeyboardEvent, type PointerEvent, type RefObject, useEffect, useId, useRef, useState } from 'react';

import { formatDay } from '../format';
import { type Language, useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { type Bar, ticksTo } from './model';

const HEIGHT = 248;
const TOP = 10;
const BOTTOM = 24;
const CHARACTER = 7.2;
const WIDE_CHARACTER = 12.5;
const DATE_WIDTH = 72;

interface ChartProps {
  /** What the picture shows, in a sentence. */
  title: string;
  bars: Bar[];
  /** Names of the parts of a bar, from the ground up. */
  series: string[];
  format: (value: number) => string;
  formatTick: (value: number, step: number) => string;
}

/** Stacked bars by day. One stop for the keyboard: arrows go from day to day, and say what the pointer shows. */
export function BarChart({ title, bars, series, format, formatTick }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [at, setAt] = useState<number | null>(null);
  const ticks = ticksTo(Math.max(...bars.map(({ total }) => total)));
  const labels = ticks.map((tick) => formatTick(tick, ticks[1] ?? 1));
  const left = Math.ceil(Math.max(...labels.map(widthOf))) + 8;
  const plot: Plot = { left, width: Math.max(width - left, 0), ticks, labels };
  const shown = at === null ? undefined : bars[Math.min(at, bars.length - 1)];
  return (
    <div className="chart" ref={frame}>
      {width > 0 && <Picture {...{ title, bars, plot, width, at }} />}
      <DayReader {...{ bars, series, format, left, at, setAt }} />
      {shown && at !== null && (
        <Tip bar={shown} series={series} format={format} x={left + ((at + 0.5) * plot.width) / bars.length} />
      )}
    </div>
  );
}

/** About how wide a label is, in pixels. */
const widthOf = (label: string) =>
  [...label].reduce((sum, character) => sum + (character > '\u2fff' ? WIDE_CHARACTER : CHARACTER), 0);

function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    if (element.current) observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

interface Plot {
  left: number;
  width: number;
  ticks: number[];
  labels: string[];
}

interface PictureProps {
  title: string;
  bars: Bar[];
  plot: Plot;
  width: number;
  at: number | null;
}

function Picture({ title, bars, plot, width, at }: PictureProps) {
  const id = useId();
  const { left, ticks, labels } = plot;
  const ground = HEIGHT - BOTTOM;
  const scale = (ground - TOP) / (ticks.at(-1) ?? 1);
  const step = plot.width / bars.length;
  return (
    <svg className="chart-picture" role="img" aria-labelledby={id} width={width} height={HEIGHT}>
      <title id={id}>{title}</title>
      {ticks.map((tick, index) => (
        <g key={tick}>
          <line className="chart-rule" x1={left} x2={width} y1={ground - tick * scale} y2={ground - tick * scale} />
          <text className="chart-label" x={left - 8} y={ground - tick * scale} dy="0.32em" textAnchor="end">
            {labels[index]}
          </text>
        </g>
      ))}
      {at !== null && <rect className="chart-at" x={left + at * step} y={TOP} width={step} height={ground - TOP} />}
      {bars.map((bar, index) => (
        <Stack key={bar.from} bar={bar} x={left + index * step} step={step} ground={ground} scale={scale} />
      ))}
      <Dates bars={bars} plot={plot} />
    </svg>
  );
}

function Stack(props: { bar: Bar; x: number; step: number; ground: number; scale: number }) {
  const { bar, x, step, ground, scale } = props;
  const gap = step > 6 ? step * 0.22 : step > 3 ? 1 : 0;
  const thick = Math.min(step - gap, 44);
  let below = 0;
  return (
    <g>
      {bar.parts.map((value, part) => {
        if (value <= 0) return null;
        below += value;
        // A pixel at least, or a cheap day would look like none.
        const height = Math.max(value * scale, 1);
        const y = ground - Math.max(below * scale, 1);
        const [place, size] = [x + (step - thick) / 2, Math.max(height - (height > 3 ? 1 : 0), 1)];
        return <rect key={part} className={`series series-${part}`} x={place} y={y} width={thick} height={size} />;
      })}
    </g>
  );
}

/** As many dates as there is room for. */
function Dates({ bars, plot: { left, width } }: { bars: Bar[]; plot: Plot }) {
  const { language } = useTranslation();
  const every = Math.max(1, Math.ceil(bars.length / Math.max(1, Math.floor(width / DATE_WIDTH))));
  const step = width / bars.length;
  return bars.map((bar, index) => {
    if ((bars.length - 1 - index) % every !== 0) return null;
    const x = left + (index + 0.5) * step;
    const last = x + DATE_WIDTH / 2 > left + width;
    return (
      <text
        key={bar.from}
        className="chart-label"
        x={last ? left + width : x}
        y={HEIGHT - 6}
        textAnchor={last ? 'end' : 'middle'}
      >
        {formatDay(bar.from, language, 'short')}
      </text>
    );
  });
}

interface DayReaderProps {
  bars: Bar[];
  series: string[];
  format: (value: number) => string;
  left: number;
  at: number | null;
  setAt: (at: number | null) => void;
}

function DayReader({ bars, series, format, left, at, setAt }: DayReaderProps) {
  const { t, language } = useTranslation();
  const last = bars.length - 1;
  const now = Math.min(at ?? last, last);
  const bar = bars[now];
  const onPointer = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    setAt(Math.max(0, Math.min(last, Math.floor(((event.clientX - box.left) / box.width) * bars.length))));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last };
    const next = moves[event.key];
    if (event.key === 'Escape') setAt(null);
    if (next === undefined) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(last, next)));
  };
  return (
    <div
      className="chart-reader"
      style={{ left, top: TOP, height: HEIGHT - TOP - BOTTOM }}
      role="slider"
      tabIndex={0}
      aria-label={t.billing.usage.days}
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={now}
      aria-valuetext={bar && sentenceOf(bar, series, format, t, language)}
      onKeyDown={onKeyDown}
      onFocus={() => setAt(now)}
      onBlur={() => setAt(null)}
      onPointerMove={onPointer}
      onPointerDown={onPointer}
      onPointerLeave={() => setAt(null)}
    />
  );
}

function dayName({ from, to }: Bar, t: Strings, language: Language): string {
  const first = formatDay(from, language);
  return from === to ? first : t.billing.usage.span(first, formatDay(to, language));
}

function sentenceOf(
  bar: Bar,
  series: string[],
  format: (value: number) => string,
  t: Strings,
  language: Language,
): string {
  const parts = bar.parts.flatMap((value, part) => (value > 0 ? [`${series[part]} ${format(value)}`] : []));
  return [`${dayName(bar, t, language)}: ${format(bar.total)}`, ...parts].join('; ');
}

/** For eyes; the reader's text says the same. */
function Tip({ bar, series, format, x }: Pick<ChartProps, 'series' | 'format'> & { bar: Bar; x: number }) {
  const { t, language } = useTranslation();
  return (
    <div className="chart-tip" style={{ left: `clamp(0px, calc(${x}px - 7.5rem), calc(100% - 15rem))` }} aria-hidden>
      <p>{dayName(bar, t, language)}</p>
      <ul>
        {bar.parts.map((value, part) =>
          value > 0 ? (
            <li key={part}>
              <span className={`swatch series-${part}`} />
              <span className="chart-tip-name">{series[part]}</span>
              <span>{format(value)}</span>
            </li>
          ) : null,
        )}
        <li className="chart-tip-total">
          <span className="chart-tip-name">{t.billing.usage.all}</span>
          <span>{format(bar.total)}</span>
        </li>
      </ul>
    </div>
  );
}
