import { KnowledgeSearchDocument, type KnowledgeSearchQuery, type SearchMode } from '@fabula/client';
import { useFabula } from '@fabula/client/urql';
import { type FormEvent, useState } from 'react';
import { Link } from 'wouter';

import { formatCount, formatDecimal, formatMilliseconds } from '../format';
import { useTranslation } from '../i18n/context';
import { documentPath } from '../links';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';

const MODES: SearchMode[] = ['HYBRID', 'VECTOR', 'KEYWORD'];
const FIRST = 10;

type Result = KnowledgeSearchQuery['knowledgeSearch'];

/** What a question would find in a base, and how. */
export function SearchTester({ knowledgeBaseId }: { knowledgeBaseId: string }) {
  const { t } = useTranslation();
  const { urql } = useFabula();
  const [query, setQuery] = useState('');
  const [mode, setMode] = useState<SearchMode>('HYBRID');
  const [rerank, setRerank] = useState(true);
  const [debug, setDebug] = useState(false);
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState<Result | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    if (!query.trim()) return;
    setBusy(true);
    const input = { knowledgeBaseIds: [knowledgeBaseId], query, mode, first: FIRST, rerank, debug };
    const options = { requestPolicy: 'network-only' } as const;
    const { data, error } = await urql.query(KnowledgeSearchDocument, { input }, options).toPromise();
    setBusy(false);
    setProblem(problemOf(t, error));
    setResult(data?.knowledgeSearch ?? null);
  };
  return (
    <>
      <form className="tester" onSubmit={(event) => void onSubmit(event)}>
        <Field label={t.knowledge.query}>
          <input type="search" value={query} maxLength={1000} onChange={(event) => setQuery(event.target.value)} />
        </Field>
        <Field label={t.knowledge.mode}>
          <select value={mode} onChange={(event) => setMode(event.target.value as SearchMode)}>
            {MODES.map((one) => (
              <option key={one} value={one}>
                {t.knowledge.modes[one]}
              </option>
            ))}
          </select>
        </Field>
        <div className="tester-checks">
          <label className="check">
            <input type="checkbox" checked={rerank} onChange={(event) => setRerank(event.target.checked)} />
            {t.knowledge.rerank}
          </label>
          <label className="check">
            <input type="checkbox" checked={debug} onChange={(event) => setDebug(event.target.checked)} />
            {t.knowledge.debug}
          </label>
        </div>
        <Button look="primary" icon="search" type="submit" busy={busy} disabled={!query.trim()}>
          {t.knowledge.search}
        </Button>
      </form>
      <ProblemNotice problem={problem} />
      {result && <Found result={result} />}
    </>
  );
}

function Found({ result }: { result: Result }) {
  const { t, language } = useTranslation();
  return (
    <section>
      <p className="quiet" role="status">
        {result.hits.length > 0 ? t.knowledge.hits(result.hits.length) : t.knowledge.noHits}
      </p>
      {result.stages.length > 0 && (
        <table className="stages">
          <caption>{t.knowledge.stages}</caption>
          <thead>
            <tr>
              <th scope="col">{t.knowledge.stage}</th>
              <th scope="col">{t.knowledge.time}</th>
              <th scope="col">{t.knowledge.candidates}</th>
            </tr>
          </thead>
          <tbody>
            {result.stages.map(({ name, ms, candidates }) => (
              <tr key={name}>
                <th scope="row">{t.knowledge.stageNames[name] ?? name}</th>
                <td>{formatMilliseconds(ms, language)}</td>
                <td>{formatCount(candidates, language)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <ol className="hits">
        {result.hits.map((hit) => (
          <Hit key={hit.rank} hit={hit} />
        ))}
      </ol>
    </section>
  );
}

function Hit({ hit }: { hit: Result['hits'][number] }) {
  const { t, language } = useTranslation();
  const { document, page, headingPath, scores } = hit;
  const place = [...headingPath, page !== null && t.knowledge.page(formatCount(page, language))].filter(Boolean);
  const count = (n: number) => formatCount(n, language);
  const figures = scores && [
    scores.vectorRank !== null &&
      t.knowledge.scores.vector(count(scores.vectorRank), formatDecimal(scores.vectorScore ?? 0, language)),
    scores.keywordRank !== null &&
      t.knowledge.scores.keyword(count(scores.keywordRank), formatDecimal(scores.keywordScore ?? 0, language)),
    t.knowledge.scores.before(count(scores.beforeRerank)),
  ];
  return (
    <li className="hit found-hit">
      <span className="source-number">{hit.rank}</span>
      {document ? <Link href={documentPath(document.id, hit.span)}>{document.title}</Link> : t.chat.unnamed}
      {place.length > 0 && <span className="hit-where">{place.join(' · ')}</span>}
      <p className="hit-snippet">{hit.text}</p>
      {figures && <p className="quiet figures">{figures.filter(Boolean).join(' · ')}</p>}
    </li>
  );
}
