import { useKnowledgeBasesQuery } from '@fabula/client/urql';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { KNOWLEDGE_CONTEXT } from '../api';
import { formatAgo } from '../format';
import { useTranslation } from '../i18n/context';
import { BaseCreateDialog } from '../knowledge/base-dialog';
import type { Base } from '../knowledge/model';
import { basePath } from '../links';
import { problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

const PAGE = 100;

export function KnowledgePage() {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const [creating, setCreating] = useState(false);
  useEffect(() => {
    document.title = `${t.knowledge.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [t]);
  return (
    <Shell>
      <main className="shelf" id="main">
        <header className="shelf-head">
          <h1>{t.knowledge.title}</h1>
          <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
            {t.knowledge.add}
          </Button>
        </header>
        <p className="quiet">{t.knowledge.about}</p>
        <BaseList />
        {creating && <BaseCreateDialog onMade={(id) => navigate(basePath(id))} onClose={() => setCreating(false)} />}
      </main>
    </Shell>
  );
}

function BaseList() {
  const { t } = useTranslation();
  const [{ data, error, fetching }, again] = useKnowledgeBasesQuery({
    variables: { first: PAGE },
    context: KNOWLEDGE_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const bases = data?.knowledgeBases.edges.map(({ node }) => node);
  return (
    <>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={() => again({ requestPolicy: 'network-only' })}>{t.common.retry}</Button>
      </ProblemNotice>
      {fetching && !bases && <p className="quiet">{t.common.loading}</p>}
      {bases?.length === 0 && <p className="empty">{t.knowledge.none}</p>}
      <ul>
        {bases?.map((base) => (
          <BaseRow key={base.id} base={base} />
        ))}
      </ul>
    </>
  );
}

function BaseRow({ base }: { base: Base }) {
  const { t, language } = useTranslation();
  const facts = [t.knowledge.documents(base.documentCount), t.knowledge.scopes[base.scope], base.embeddingModel];
  return (
    <li className="book">
      <article>
        <h2 className="book-title">
          <Link href={basePath(base.id)}>{base.name}</Link>
        </h2>
        {base.description && <p className="book-premise">{base.description}</p>}
        <p className="book-meta">{[...facts, formatAgo(base.updatedAt, language, t)].join(' · ')}</p>
      </article>
    </li>
  );
}
