import { useState } from 'react';

import { Codex } from '../codex/codex';
import { useTranslation } from '../i18n/context';
import { Tabs } from '../ui/tabs';
import { ConflictDialog } from './conflict-dialog';
import { DraftSheet } from './draft-sheet';
import { EditorSheet } from './editor-sheet';
import { type Chapter, latestGeneration, versionRows } from './model';
import { type Draft, useDraft } from './use-draft';
import { type Editor, useEditor } from './use-editor';
import { VersionSheet } from './version-sheet';
import { VersionsPanel } from './versions-panel';
import { WritePanel } from './write-panel';

/** Which sheet lies on top: the author's text, the newest draft, or an earlier version. */
type Shown = { kind: 'text' } | { kind: 'draft' } | { kind: 'version'; id: string; number: number };

interface WorkspaceState {
  chapter: Chapter;
  editor: Editor;
  draft: Draft;
  shown: Shown;
  show: (shown: Shown) => void;
}

/** One chapter, open: its text in the middle, the tools beside it. */
export function Workspace({ chapter, refetch }: { chapter: Chapter; refetch: () => void }) {
  const { t } = useTranslation();
  const editor = useEditor(chapter);
  const draft = useDraft(chapter, refetch);
  const [shown, show] = useState<Shown>({ kind: draft.present ? 'draft' : 'text' });
  const state = { chapter, editor, draft, shown, show };
  const lang = chapter.project.language;
  return (
    <>
      <main className="page" id="main">
        <header className="page-head">
          <h1 className="page-title" lang={lang}>
            {chapter.title}
          </h1>
          <p className="page-status">{t.outline.statuses[chapter.status]}</p>
        </header>
        <Sheets {...state} />
      </main>
      <aside className="desk-tools" aria-label={t.chapter.panels}>
        <Tools {...state} />
      </aside>
      <ConflictDialog editor={editor} lang={lang} />
    </>
  );
}

function Sheets({ chapter, editor, draft, shown, show }: WorkspaceState) {
  const { t } = useTranslation();
  const lang = chapter.project.language;
  const latest = latestGeneration(chapter);
  const generation = draft.generationId === null || draft.generationId === latest?.id ? latest : null;
  const showText = () => show({ kind: 'text' });
  const text = { key: 'text' as const, label: t.chapter.yourText, panel: <EditorSheet editor={editor} lang={lang} /> };
  const drafted = draft.present && {
    key: 'draft' as const,
    label: t.chapter.draft,
    panel: <DraftSheet draft={draft} editor={editor} generation={generation} lang={lang} onDecided={showText} />,
  };
  const version = shown.kind === 'version' && {
    key: 'version' as const,
    label: t.chapter.versionTab(shown.number),
    panel: (
      <VersionSheet
        key={shown.id}
        {...{ chapterId: chapter.id, versionId: shown.id, editor, lang }}
        onDone={showText}
      />
    ),
  };
  return (
    <Tabs
      label={t.chapter.sheets}
      look="segment"
      tabs={[text, drafted, version].filter((tab) => tab !== false)}
      active={shown.kind === 'draft' && !draft.present ? 'text' : shown.kind}
      onChange={(key) => key !== 'version' && show({ kind: key })}
    />
  );
}

function Tools({ chapter, draft, shown, show }: WorkspaceState) {
  const { t } = useTranslation();
  const [active, setActive] = useState<'write' | 'versions' | 'codex'>('write');
  const onStarted = (generationId: string) => {
    draft.watch(generationId);
    show({ kind: 'draft' });
  };
  const write = <WritePanel chapter={chapter} running={draft.running} onStarted={onStarted} />;
  const versions = (
    <VersionsPanel
      rows={versionRows(chapter)}
      shown={shown.kind === 'version' ? shown.id : null}
      onShow={({ id, number, state }) => show(state === 'CURRENT' ? { kind: 'text' } : { kind: 'version', id, number })}
    />
  );
  const codex = <Codex projectId={chapter.project.id} language={chapter.project.language} />;
  return (
    <Tabs
      label={t.chapter.panels}
      tabs={[
        { key: 'write', label: t.chapter.write, panel: write },
        { key: 'versions', label: t.chapter.versions, panel: versions },
        { key: 'codex', label: t.chapter.codex, panel: codex },
      ]}
      active={active}
      onChange={setActive}
      keep
    />
  );
}
