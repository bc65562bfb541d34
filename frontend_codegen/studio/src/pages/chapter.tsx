import { useChapterQuery } from '@fabula/client/urql';
import { useCallback } from 'react';

import { Workspace } from '../chapter/workspace';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Desk, Waiting } from './desk';
import { NotFound } from './not-found';

export function ChapterPage({ projectId, id }: { projectId: string; id: string }) {
  const { t } = useTranslation();
  const [{ data, error, fetching }, again] = useChapterQuery({ variables: { id }, requestPolicy: 'cache-and-network' });
  const refetch = useCallback(() => again({ requestPolicy: 'network-only' }), [again]);
  const chapter = data?.chapter?.__typename === 'Chapter' && data.chapter.id === id ? data.chapter : null;
  return (
    <Desk projectId={projectId} chapterId={id} title={chapter?.title}>
      {() => {
        if (chapter) return <Workspace key={chapter.id} chapter={chapter} refetch={refetch} />;
        if (data && !fetching && !error) return <NotFound />;
        return <Waiting problem={problemOf(t, error)} onRetry={refetch} />;
      }}
    </Desk>
  );
}
