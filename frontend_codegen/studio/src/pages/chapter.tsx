import { useChapterQuery } from '@fabula/client/urql';
import { useCallback, useState } from 'react';

import { ConflictDialog } from '../chapter/conflict-dialog';
import { DraftSheet } from '../chapter/draft-sheet';
import { EditorSheet } from '../chapter/editor-sheet';
import { type Chapter, latestGeneration, versionRows } from '../chapter/model';
import { useDraft } from '../chapter/use-draft';
import { useEditor } from '../chapter/use-editor';
import { VersionSheet } from '../chapter/version-sheet';
import { VersionsPanel } from '../chapter/versions-panel';
import { WritePanel } from '../chapter/write-panel';
import { Codex } from '../codex/codex';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Tabs } from '../ui/tabs';
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
        return data && !fetching && !error ? <NotFound /> : <Waiting problem={problemOf(t, error)} onRetry={refetch} />;
      }}
    </Desk>
  );
}

type Shown = { kind: 'text' } | { kind: 'draft' } | { kind: 'version'; id: string; number: number };

function Workspace({ chapter, refetch }: { chapter: Chapter; refetch: () => void }) {
  const { t } = useTranslation();
  const lang = chapter.project.language;
  const editor = useEditor(chapter);
  const draft = useDraft(chapter, refetch);
  const latest = latestGeneration(chapter);
  const generation = latest?.id === draft.generationId || !draft.generationId ? latest : null;
  const [shown, setShown] = useState<Shown>({ kind: draft.present ? 'draft' : 'text' });
  const [panel, setPanel] = useState<'write' | 'versions' | 'codex'>('write');
  const showText = () => setShown({ kind: 'text' });
  const active = shown.kind === 'draft' && !draft.present ? 'text' : shown.kind;

  const sheets = [
    { key: 'text' as const, label: t.chapter.yourText, panel: <EditorSheet editor={editor} lang={lang} /> },
    ...(draft.present
      ? [{ key: 'draft' as const, label: t.chapter.draft, panel: <DraftSheet draft={draft} editor={editor} generation={generation} lang={lang} onDecided={showText} /> }]
      : []),
    ...(shown.kind === 'version'
      ? [
          {
            key: 'version' as const,
            label: t.chapter.versionTab(shown.number),
            panel: <VersionSheet key={shown.id} chapterId={chapter.id} versionId={shown.id} editor={editor} lang={lang} onDone={showText} />,
          },
        ]
      : []),
  ];
  const onStarted = (generationId: string) => {
    draft.watch(generationId);
    setShown({ kind: 'draft' });
  };
  const panels = [
    { key: 'write' as const, label: t.chapter.write, panel: <WritePanel chapter={chapter} running={draft.running} onStarted={onStarted} /> },
    {
      key: 'versions' as const,
      label: t.chapter.versions,
      panel: (
        <VersionsPanel
          rows={versionRows(chapter)}
          shown={shown.kind === 'version' ? shown.id : null}
          onShow={({ id, number, state }) => setShown(state === 'CURRENT' ? { kind: 'text' } : { kind: 'version', id, number })}
        />
      ),
    },
    { key: 'codex' as const, label: t.chapter.codex, panel: <Codex projectId={chapter.project.id} language={lang} /> },
  ];
  return (
    <>
      <main className="page" id="main" data-scroller>
        <header className="page-head">
          <h1 className="page-title" lang={lang}>
            {chapter.title}
          </h1>
          <p className={`page-status status-text-${chapter.status.toLowerCase()}`}>{t.outline.statuses[chapter.status]}</p>
        </header>
        <Tabs
          label={t.chapter.sheets}
          look="segment"
          tabs={sheets}
          active={active}
          onChange={(key) => key !== 'version' && setShown({ kind: key })}
        />
      </main>
      <aside className="desk-tools" aria-label={t.chapter.panels}>
        <Tabs label={t.chapter.panels} tabs={panels} active={panel} onChange={setPanel} keep />
      </aside>
      <ConflictDialog editor={editor} lang={lang} />
    </>
  );
}
