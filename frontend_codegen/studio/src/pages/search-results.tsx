import { useSearchQuery } from '@fabula/client/urql';
import { Link } from 'wouter';

import { useTranslation } from '../i18n/context';
import { chapterPath, projectPath } from '../links';
import { problemOf } from '../problems';
import { ProblemNotice } from '../ui/notice';

export function SearchResults({ query }: { query: string }) {
  const { t } = useTranslation();
  const [{ data, error, fetching }] = useSearchQuery({ variables: { query, first: 30 } });
  const hits = data?.search.edges ?? [];
  return (
    <section aria-busy={fetching}>
      <ProblemNotice problem={problemOf(t, error)} />
      {data && (
        <p className="quiet" role="status">
          {hits.length ? t.shelf.results(hits.length, query) : t.shelf.noResults(query)}
        </p>
      )}
      <ul className="hits">
        {hits.map(({ node }, index) => (
          <li key={index} className="hit">
            <Link href={node.chapter ? chapterPath(node.project.id, node.chapter.id) : projectPath(node.project.id)}>
              {node.title}
            </Link>
            <span className="hit-where">{node.project.title}</span>
            <p className="hit-snippet">
              <Marked text={node.snippet} query={query} />
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Marked({ text, query }: { text: string; query: string }) {
  const at = text.toLowerCase().indexOf(query.toLowerCase());
  if (at < 0) return text;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + query.length)}</mark>
      {text.slice(at + query.length)}
    </>
  );
}
