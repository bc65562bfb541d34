import type { ProjectQuery } from '@fabula/client';
import { useProjectQuery } from '@fabula/client/urql';
import { type ReactNode, useEffect, useState } from 'react';
import { Link } from 'wouter';

import { PROJECT_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { projectPath } from '../links';
import { Outline } from '../outline/outline';
import { problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { NotFound } from './not-found';

export type Project = Extract<NonNullable<ProjectQuery['project']>, { __typename: 'Project' }>;

interface DeskProps {
  projectId: string;
  chapterId?: string;
  /** For the document's title, before the novel's. */
  title?: string | undefined;
  children: (project: Project) => ReactNode;
}

/** A novel's page: its outline on the left, whatever is open beside it. */
export function Desk({ projectId, chapterId, title, children }: DeskProps) {
  const { t } = useTranslation();
  const [outlineShown, setOutlineShown] = useState(false);
  const [{ data, error, fetching }, again] = useProjectQuery({
    variables: { id: projectId },
    context: PROJECT_CONTEXT,
  });
  const project = data?.project?.__typename === 'Project' ? data.project : null;

  useEffect(() => {
    document.title = [title, project?.title, t.brand].filter(Boolean).join(' · ');
    return () => void (document.title = t.brand);
  }, [title, project?.title, t]);
  useEffect(() => setOutlineShown(false), [chapterId]);

  const trail = project && (
    <Link className="trail-title" href={projectPath(project.id)} lang={project.language}>
      {project.title}
    </Link>
  );
  if (!project)
    return (
      <Shell>
        {data && !fetching ? (
          <NotFound />
        ) : (
          <Waiting problem={problemOf(t, error)} onRetry={() => again({ requestPolicy: 'network-only' })} />
        )}
      </Shell>
    );
  return (
    <Shell trail={trail}>
      <div className="desk" data-outline={outlineShown || undefined}>
        <Button look="quiet" icon="list" aria-expanded={outlineShown} onClick={() => setOutlineShown(!outlineShown)}>
          {t.outline.show}
        </Button>
        <aside className="desk-outline" lang={project.language}>
          <Outline projectId={project.id} nodes={project.outline} currentChapterId={chapterId} />
        </aside>
        {children(project)}
      </div>
    </Shell>
  );
}

export function Waiting({ problem, onRetry }: { problem: ReturnType<typeof problemOf>; onRetry: () => void }) {
  const { t } = useTranslation();
  return (
    <main className="message-page" id="main">
      {problem ? (
        <ProblemNotice problem={problem}>
          <Button onClick={onRetry}>{t.common.retry}</Button>
        </ProblemNotice>
      ) : (
        <p className="quiet">{t.common.loading}</p>
      )}
    </main>
  );
}
