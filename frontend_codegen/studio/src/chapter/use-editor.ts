import type { ChapterTextUpdateInput } from '@fabula/client';
import { useChapterTextUpdateMutation } from '@fabula/client/urql';
import { useEffect, useRef, useState } from 'react';

import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import type { Chapter, Version } from './model';
import { forgetUnsaved, readUnsaved, useKeepUnsaved } from './unsaved';

/** The text in the editor and the version it was made from. */
interface Sheet {
  text: string;
  base: string | null;
  /** What the base says; null when the base is an older version that was not loaded. */
  saved: string | null;
}

export interface Editor {
  text: string;
  dirty: boolean;
  saving: boolean;
  restored: boolean;
  problem: Problem | null;
  /** What was saved elsewhere since `base`; undefined when there is no conflict, null when that text is gone. */
  conflict: Version | null | undefined;
  base: string | null;
  setText: (text: string) => void;
  save: () => Promise<void>;
  adopt: (version: Version | null) => void;
  keepMine: () => Promise<void>;
  decideLater: () => void;
}

const sheetOf = (version: Version | null): Sheet => ({
  text: version?.text ?? '',
  base: version?.id ?? null,
  saved: version?.text ?? '',
});

function openingSheet({ id, currentVersion }: Chapter): Sheet {
  const unsaved = readUnsaved(id);
  const opened = sheetOf(currentVersion);
  if (!unsaved || unsaved.text === opened.text) return opened;
  return { ...unsaved, saved: unsaved.base === opened.base ? opened.saved : null };
}

export function useEditor(chapter: Chapter): Editor {
  const { t } = useTranslation();
  const [sheet, setSheet] = useState(() => openingSheet(chapter));
  const [restored, setRestored] = useState(() => sheet.text !== (chapter.currentVersion?.text ?? ''));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [conflict, setConflict] = useState<Version | null | undefined>(undefined);
  const [{ fetching }, update] = useChapterTextUpdateMutation();
  const dirty = sheet.text !== sheet.saved;
  const current = chapter.currentVersion;
  useKeepUnsaved(chapter.id, sheet, dirty);

  // Another window saved, or a draft was accepted: an editor without changes of its own shows it. The chapter that is
  // known here may be older than what was just saved from here, until it has been asked for again.
  const seen = useRef({ id: current?.id ?? null, at: chapter.updatedAt });
  useEffect(() => {
    const id = current?.id ?? null;
    if (id === seen.current.id || chapter.updatedAt < seen.current.at) return;
    seen.current = { id, at: chapter.updatedAt };
    if (!dirty && id !== sheet.base) setSheet(sheetOf(current));
  }, [current, chapter.updatedAt, dirty, sheet.base]);

  const adopt = (version: Version | null) => {
    setSheet(sheetOf(version));
    setConflict(undefined);
    forgetUnsaved(chapter.id);
  };
  const write = async (input: ChapterTextUpdateInput) => {
    const { data, error } = await update({ input });
    const next = problemOf(t, error, data?.chapterTextUpdate.userErrors);
    const version = data?.chapterTextUpdate.version;
    if (version) setSheet((now) => ({ ...now, base: version.id, saved: input.text }));
    const fresh = data?.chapterTextUpdate.chapter;
    if (version && fresh) seen.current = { id: version.id, at: fresh.updatedAt };
    if (next?.code === 'CONFLICT' && fresh) setConflict(fresh.currentVersion);
    else setProblem(next);
  };
  const { text, base } = sheet;
  return {
    text,
    base,
    dirty,
    saving: fetching,
    restored,
    problem,
    conflict,
    setText: (next) => {
      setSheet((now) => ({ ...now, text: next }));
      setRestored(false);
    },
    save: () => write({ chapterId: chapter.id, text, baseVersionId: base }),
    adopt,
    keepMine: () => {
      setConflict(undefined);
      return write({ chapterId: chapter.id, text, baseVersionId: conflict?.id ?? null });
    },
    decideLater: () => setConflict(undefined),
  };
}
