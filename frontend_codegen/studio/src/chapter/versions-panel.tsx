import type { VersionRowFragment } from '@fabula/client';

import { formatAgo, formatCount } from '../format';
import { useTranslation } from '../i18n/context';

interface VersionsPanelProps {
  rows: VersionRowFragment[];
  shown: string | null;
  onShow: (version: VersionRowFragment) => void;
}

export function VersionsPanel({ rows, shown, onShow }: VersionsPanelProps) {
  const { t, language } = useTranslation();
  if (rows.length === 0) return <p className="quiet">{t.versions.empty}</p>;
  return (
    <ol className="versions">
      {rows.map((row) => (
        <li key={row.id}>
          <button type="button" className="version" aria-pressed={row.id === shown} onClick={() => onShow(row)}>
            <span className="version-number">{t.versions.number(row.number)}</span>
            <span className={`version-state version-${row.state.toLowerCase()}`}>{t.versions.states[row.state]}</span>
            <span className="version-meta">
              {[
                t.versions.origins[row.origin],
                t.chapter.words(formatCount(row.wordCount, language)),
                row.model,
                formatAgo(row.createdAt, language, t),
              ]
                .filter(Boolean)
                .join(' · ')}
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}
