import { useTranslation } from '../i18n/context';
import { type Cited, sourcesOf } from './model';

/** A mark in an answer: its number, which opens the passage that it stands for. */
export function Chip({ cited, onOpen }: { cited: Cited; onOpen: (cited: Cited) => void }) {
  const { t } = useTranslation();
  const title = cited.document?.title || t.chat.unnamed;
  return (
    <button
      type="button"
      className="chip"
      aria-label={t.chat.source(cited.marker, title)}
      title={`${title}: ${cited.quote}`}
      onClick={() => onOpen(cited)}
    >
      {cited.marker}
    </button>
  );
}

/** What an answer stands on, below it. */
export function Sources({ citations, onOpen }: { citations: Cited[]; onOpen: (cited: Cited) => void }) {
  const { t } = useTranslation();
  if (citations.length === 0) return null;
  return (
    <div className="sources" role="group" aria-label={t.chat.sources}>
      <ol>
        {sourcesOf(citations).map((cited) => (
          <li key={cited.id}>
            <span className="source-number">{cited.marker}</span>
            <button type="button" className="link-button" onClick={() => onOpen(cited)}>
              {cited.document?.title || t.chat.unnamed}
            </button>
            <q>{cited.quote}</q>
          </li>
        ))}
      </ol>
    </div>
  );
}
