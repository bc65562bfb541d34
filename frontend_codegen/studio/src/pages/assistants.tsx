import type { AssistantOrder, AssistantScope, Category } from '@fabula/client';
import { useAssistantsQuery } from '@fabula/client/urql';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { ASSISTANT_CONTEXT } from '../api';
import { AboutDialog } from '../assistants/dialogs';
import { type Assistant, CATEGORIES } from '../assistants/model';
import { formatCount, formatDecimal } from '../format';
import { useTranslation } from '../i18n/context';
import { assistantPath } from '../links';
import { problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';
import { ProblemNotice } from '../ui/notice';
import { Tabs } from '../ui/tabs';
import { useDebounced } from '../use-debounced';

type Scope = Exclude<AssistantScope, 'TENANT'>;
const SCOPES: Scope[] = ['ALL', 'MARKET', 'MINE', 'INSTALLED', 'FAVOURITES'];
const ORDERS: AssistantOrder[] = ['RELEVANCE', 'POPULAR', 'NEWEST', 'RATING'];
const PAGE = 30;

export function AssistantsPage() {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const [creating, setCreating] = useState(false);
  const [query, setQuery] = useState('');
  const [scope, setScope] = useState<Scope>('ALL');
  const search = useDebounced(query.trim(), 250);
  useEffect(() => {
    document.title = `${t.assistants.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [t]);
  return (
    <Shell>
      <main className="shelf" id="main">
        <header className="shelf-head">
          <h1>{t.assistants.title}</h1>
          <label className="search">
            <Icon name="search" />
            <span className="visually-hidden">{t.assistants.search}</span>
            <input
              type="search"
              placeholder={t.assistants.search}
              value={query}
              maxLength={200}
              onChange={(event) => setQuery(event.target.value)}
            />
          </label>
          <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
            {t.assistants.add}
          </Button>
        </header>
        <p className="quiet assistants-about">{t.assistants.about}</p>
        <Tabs
          label={t.assistants.title}
          active={scope}
          onChange={setScope}
          tabs={SCOPES.map((key) => ({
            key,
            label: t.assistants.scopes[key],
            panel: <AssistantList key={key} scope={key} search={search} />,
          }))}
        />
        {creating && (
          <AboutDialog
            assistant={null}
            onMade={(id) => navigate(assistantPath(id))}
            onClose={() => setCreating(false)}
          />
        )}
      </main>
    </Shell>
  );
}

function AssistantList({ scope, search }: { scope: Scope; search: string }) {
  const { t } = useTranslation();
  const [first, setFirst] = useState(PAGE);
  const [category, setCategory] = useState<Category | ''>('');
  const [order, setOrder] = useState<AssistantOrder>('RELEVANCE');
  const [{ data, error, fetching }, again] = useAssistantsQuery({
    variables: {
      first,
      search: search || null,
      filter: { scope, category: category || null },
      orderBy: order === 'RELEVANCE' ? null : order,
    },
    context: ASSISTANT_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const found = data?.assistants.edges.map(({ node }) => node);
  return (
    <>
      <div className="assistants-bar">
        <select
          aria-label={t.assistants.category}
          value={category}
          onChange={(event) => setCategory(event.target.value as Category | '')}
        >
          <option value="">{t.assistants.anyCategory}</option>
          {CATEGORIES.map((one) => (
            <option key={one} value={one}>
              {t.assistants.categories[one]}
            </option>
          ))}
        </select>
        <select
          aria-label={t.assistants.order}
          value={order}
          onChange={(event) => setOrder(event.target.value as AssistantOrder)}
        >
          {ORDERS.map((one) => (
            <option key={one} value={one}>
              {t.assistants.orders[one]}
            </option>
          ))}
        </select>
      </div>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={() => again({ requestPolicy: 'network-only' })}>{t.common.retry}</Button>
      </ProblemNotice>
      {fetching && !found && <p className="quiet">{t.common.loading}</p>}
      {found?.length === 0 && <p className="empty">{t.assistants.none}</p>}
      <ul>
        {found?.map((assistant) => (
          <AssistantRow key={assistant.id} assistant={assistant} />
        ))}
      </ul>
      {data?.assistants.pageInfo.hasNextPage && first < 100 && (
        <Button onClick={() => setFirst(Math.min(first + PAGE, 100))}>{t.common.more}</Button>
      )}
    </>
  );
}

function AssistantRow({ assistant }: { assistant: Assistant }) {
  const { t } = useTranslation();
  return (
    <li className="book">
      <article>
        <h2 className="book-title">
          <Link href={assistantPath(assistant.id)}>{assistant.name}</Link>
        </h2>
        {assistant.description && <p className="book-premise">{assistant.description}</p>}
        <AssistantFacts assistant={assistant} />
      </article>
      {assistant.viewer.installedVersion && <span className="badge">{t.assistants.installed}</span>}
    </li>
  );
}

/** Whose it is, what it is for and what others make of it. */
export function AssistantFacts({ assistant }: { assistant: Assistant }) {
  const { t, language } = useTranslation();
  const { publisher, owner, category, tags, statistics, visibility } = assistant;
  const by = publisher ?? owner?.displayName;
  const count = (n: number) => formatCount(n, language);
  const facts = [
    by && t.assistants.by(by),
    t.assistants.categories[category],
    ...tags,
    t.assistants.visibilities[visibility],
    statistics.likes > 0 && t.assistants.likes(count(statistics.likes)),
    statistics.installs > 0 && t.assistants.installs(count(statistics.installs)),
    statistics.rating !== null &&
      t.assistants.rated(formatDecimal(statistics.rating, language), count(statistics.ratings)),
  ];
  return <p className="book-meta">{facts.filter(Boolean).join(' · ')}</p>;
}
