import { useChapterTextUpdateMutation, useTextVersionQuery } from '@fabula/client/urql';
import { useState } from 'react';

import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { Decision } from './decision';
import type { Editor } from './use-editor';

interface VersionSheetProps {
  chapterId: string;
  versionId: string;
  editor: Editor;
  lang: string;
  onDone: () => void;
}

/** An earlier version, to read. Versions never change: bringing one back saves its text as a new one. */
export function VersionSheet({ chapterId, versionId, editor, lang, onDone }: VersionSheetProps) {
  const { t } = useTranslation();
  const [{ data, error }] = useTextVersionQuery({ variables: { id: versionId } });
  const [{ fetching }, update] = useChapterTextUpdateMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const version = data?.version?.__typename === 'TextVersion' ? data.version : null;

  const onBringBack = async () => {
    if (!version) return;
    const input = {
      chapterId,
      text: version.text,
      baseVersionId: editor.base,
      note: t.versions.number(version.number),
    };
    const answer = await update({ input });
    setProblem(problemOf(t, answer.error, answer.data?.chapterTextUpdate.userErrors));
    if (!answer.data?.chapterTextUpdate.version) return;
    editor.adopt(answer.data.chapterTextUpdate.version);
    onDone();
  };
  return (
    <div className="sheet">
      <ProblemNotice problem={problem ?? problemOf(t, error)} />
      <div
        className="prose"
        lang={lang}
        role="region"
        aria-label={version ? t.versions.showing(version.number) : t.common.loading}
        tabIndex={0}
      >
        {version?.text}
      </div>
      <footer className="sheet-bar">
        <span className="spacer" />
        {version?.state === 'CANDIDATE' && <Decision version={version} editor={editor} onDecided={onDone} />}
        {(version?.state === 'ARCHIVED' || version?.state === 'REJECTED') && (
          <Button busy={fetching} disabled={editor.dirty} onClick={() => void onBringBack()}>
            {t.versions.bringBack}
          </Button>
        )}
      </footer>
    </div>
  );
}
