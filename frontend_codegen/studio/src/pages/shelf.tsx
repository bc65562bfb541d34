import type { ProjectCardFragment } from '@fabula/client';
import { useProjectDeleteMutation, useProjectRestoreMutation, useProjectsQuery } from '@fabula/client/urql';
import { useState } from 'react';
import { Link, useSearchParams } from 'wouter';

import { SHELF_CONTEXT } from '../api';
import { formatAgo, formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { projectPath } from '../links';
import { type Problem, problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { Tabs } from '../ui/tabs';
import { useDebounced } from '../use-debounced';
import { NewProjectDialog } from './new-project';
import { SearchResults } from './search-results';

const PAGE = 20;

export function ShelfPage() {
  const { t } = useTranslation();
  const [params, setParams] = useSearchParams();
  const [creating, setCreating] = useState(false);
  const [drawer, setDrawer] = useState<'active' | 'deleted'>('active');
  const query = params.get('q') ?? '';
  const settled = useDebounced(query.trim(), 250);
  const onSearch = (value: string) => setParams(value ? { q: value } : {}, { replace: true });

  return (
    <Shell>
      <main className="shelf" id="main">
        <header className="shelf-head">
          <h1>{t.shelf.title}</h1>
          <label className="search">
            <Icon name="search" />
            <span className="visually-hidden">{t.shelf.search}</span>
            <input
              type="search"
              placeholder={t.shelf.search}
              value={query}
              onChange={(event) => onSearch(event.target.value)}
            />
          </label>
          <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
            {t.shelf.newProject}
          </Button>
        </header>
        {settled ? (
          <SearchResults query={settled} />
        ) : (
          <Tabs
            label={t.shelf.title}
            active={drawer}
            onChange={setDrawer}
            tabs={[
              { key: 'active', label: t.shelf.active, panel: <ProjectList key="active" deleted={false} /> },
              { key: 'deleted', label: t.shelf.deleted, panel: <ProjectList key="deleted" deleted /> },
            ]}
          />
        )}
        {creating && <NewProjectDialog onClose={() => setCreating(false)} />}
      </main>
    </Shell>
  );
}

function ProjectList({ deleted }: { deleted: boolean }) {
  const { t } = useTranslation();
  const [first, setFirst] = useState(PAGE);
  const [removed, setRemoved] = useState<ProjectCardFragment | null>(null);
  const [{ data, error, fetching }, again] = useProjectsQuery({
    variables: { first, filter: { deleted }, orderBy: { field: 'UPDATED_AT', direction: 'DESC' } },
    context: SHELF_CONTEXT,
  });
  const problem = problemOf(t, error);
  const edges = data?.projects.edges ?? [];
  return (
    <>
      <ProblemNotice problem={problem}>
        <Button onClick={() => again({ requestPolicy: 'network-only' })}>{t.common.retry}</Button>
      </ProblemNotice>
      {removed && <Undo project={removed} onDone={() => setRemoved(null)} />}
      {fetching && !data && <p className="quiet">{t.common.loading}</p>}
      {data && edges.length === 0 && <p className="empty">{deleted ? t.shelf.emptyDeleted : t.shelf.empty}</p>}
      <ul className="books">
        {edges.map(({ node }) => (
          <Book key={node.id} project={node} onDeleted={setRemoved} />
        ))}
      </ul>
      {data?.projects.pageInfo.hasNextPage && first < 100 && (
        <Button busy={fetching} onClick={() => setFirst(Math.min(first + PAGE, 100))}>
          {t.common.more}
        </Button>
      )}
    </>
  );
}

function Book({
  project,
  onDeleted,
}: {
  project: ProjectCardFragment;
  onDeleted: (project: ProjectCardFragment) => void;
}) {
  const { t, language } = useTranslation();
  const [, remove] = useProjectDeleteMutation();
  const [, restore] = useProjectRestoreMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const onDelete = async () => {
    const { data, error } = await remove({ input: { id: project.id } });
    setProblem(problemOf(t, error, data?.projectDelete.userErrors));
    if (data?.projectDelete.project) onDeleted(project);
  };
  const onRestore = async () => {
    const { data, error } = await restore({ input: { id: project.id } });
    setProblem(problemOf(t, error, data?.projectRestore.userErrors));
  };
  return (
    <li className="book">
      <article lang={project.language}>
        <h2 className="book-title">
          {project.deletedAt ? project.title : <Link href={projectPath(project.id)}>{project.title}</Link>}
        </h2>
        {project.premise && <p className="book-premise">{project.premise}</p>}
        <p className="book-meta" lang={language === 'zh' ? 'zh-Hans' : 'en'}>
          <Meta project={project} />
        </p>
        <ProblemNotice problem={problem} />
      </article>
      {project.deletedAt ? (
        <Button aria-label={t.shelf.restoreProject(project.title)} onClick={() => void onRestore()}>
          {t.common.restore}
        </Button>
      ) : (
        <Menu
          label={t.outline.actions(project.title)}
          trigger={<Icon name="more" />}
          items={[{ label: t.common.delete, onSelect: () => void onDelete(), danger: true }]}
        />
      )}
    </li>
  );
}

function Meta({ project }: { project: ProjectCardFragment }) {
  const { t, language } = useTranslation();
  const count = formatCount(project.wordCount, language);
  const words = project.targetWords
    ? t.shelf.ofTarget(count, formatCount(project.targetWords, language))
    : t.shelf.words(count);
  const when = project.deletedAt
    ? t.shelf.deletedAt(formatAgo(project.deletedAt, language, t))
    : t.shelf.edited(formatAgo(project.updatedAt, language, t));
  const parts = [project.genre, t.project.languages[project.language] ?? project.language, words, when];
  return <>{parts.filter(Boolean).join(' · ')}</>;
}

function Undo({ project, onDone }: { project: ProjectCardFragment; onDone: () => void }) {
  const { t } = useTranslation();
  const [, restore] = useProjectRestoreMutation();
  const onUndo = async () => {
    await restore({ input: { id: project.id } });
    onDone();
  };
  return (
    <div className="notice" role="status">
      <p>{t.shelf.wasDeleted(project.title)}</p>
      <Button onClick={() => void onUndo()}>{t.shelf.undo}</Button>
    </div>
  );
}
