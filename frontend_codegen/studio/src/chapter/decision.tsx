import { useChapterVersionAcceptMutation, useChapterVersionRejectMutation } from '@fabula/client/urql';
import { useState } from 'react';

import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { ProblemNotice } from '../ui/notice';
import type { Version } from './model';
import type { Editor } from './use-editor';

/** Accept a candidate, or set it aside. Accepting replaces the chapter's text, so unsaved changes are asked about. */
export function Decision({ version, editor, onDecided }: { version: Version; editor: Editor; onDecided: () => void }) {
  const { t } = useTranslation();
  const [accepting, accept] = useChapterVersionAcceptMutation();
  const [rejecting, reject] = useChapterVersionRejectMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [asking, setAsking] = useState(false);

  const onAccept = async () => {
    setAsking(false);
    const { data, error } = await accept({ input: { versionId: version.id, baseVersionId: editor.base } });
    setProblem(problemOf(t, error, data?.chapterVersionAccept.userErrors));
    if (!data?.chapterVersionAccept.version) return;
    editor.adopt(data.chapterVersionAccept.version);
    onDecided();
  };
  const onReject = async () => {
    const { data, error } = await reject({ input: { versionId: version.id } });
    setProblem(problemOf(t, error, data?.chapterVersionReject.userErrors));
    if (data?.chapterVersionReject.version) onDecided();
  };
  return (
    <div className="decision">
      <ProblemNotice problem={problem} />
      <Button busy={rejecting.fetching} onClick={() => void onReject()}>
        {t.generate.reject}
      </Button>
      <Button
        look="primary"
        icon="check"
        busy={accepting.fetching}
        onClick={() => (editor.dirty ? setAsking(true) : void onAccept())}
      >
        {t.generate.accept}
      </Button>
      {asking && (
        <Dialog
          title={t.generate.acceptTitle}
          onClose={() => setAsking(false)}
          onSubmit={() => void onAccept()}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>{t.common.back}</Button>
              <Button look="danger" type="submit">
                {t.generate.acceptAnyway}
              </Button>
            </>
          }
        >
          <p>{t.generate.acceptText}</p>
        </Dialog>
      )}
    </div>
  );
}
