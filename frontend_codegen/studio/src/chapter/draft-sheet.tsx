import type { GenerationPartsFragment } from '@fabula/client';
import { useGenerationCancelMutation } from '@fabula/client/urql';
import { useState } from 'react';

import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { Decision } from './decision';
import { StatusLine } from './status-line';
import type { Draft } from './use-draft';
import type { Editor } from './use-editor';
import { useFollow } from './use-follow';
import { WhyChannel } from './why-channel';

interface DraftSheetProps {
  draft: Draft;
  editor: Editor;
  generation: GenerationPartsFragment | null;
  lang: string;
  onDecided: () => void;
}

/** The model's text: growing while it is written, waiting for a decision afterwards. */
export function DraftSheet({ draft, editor, generation, lang, onDecided }: DraftSheetProps) {
  const { t } = useTranslation();
  const { stream, running, candidate } = draft;
  const end = useFollow(stream.length, running);
  const watched = draft.generationId !== null;
  return (
    <div className="sheet sheet-draft">
      {watched ? (
        <div
          className="prose"
          lang={lang}
          role="region"
          aria-label={t.chapter.draft}
          aria-busy={running}
          tabIndex={0}
          ref={stream.ref}
        />
      ) : (
        <div className="prose" lang={lang} role="region" aria-label={t.chapter.draft} aria-busy={false} tabIndex={0}>
          {candidate?.text}
        </div>
      )}
      <footer className="sheet-bar">
        {running && draft.generationId && (
          <Running draft={draft} generationId={draft.generationId} generation={generation} />
        )}
        {!running && (
          <StatusLine stream={stream} generation={generation}>
            {generation && generation.state !== 'FAILED' && <WhyChannel generationId={generation.id} />}
          </StatusLine>
        )}
        {candidate && <Decision version={candidate} editor={editor} onDecided={onDecided} />}
      </footer>
      <div ref={end} />
    </div>
  );
}

function Running({
  draft,
  generationId,
  generation,
}: {
  draft: Draft;
  generationId: string;
  generation: GenerationPartsFragment | null;
}) {
  const { t } = useTranslation();
  const [, cancel] = useGenerationCancelMutation();
  const [stopping, setStopping] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onStop = async () => {
    setStopping(true);
    const { data, error } = await cancel({ input: { id: generationId } });
    const refused = problemOf(t, error, data?.generationCancel.userErrors);
    setProblem(refused);
    if (refused) setStopping(false);
  };
  return (
    <>
      <StatusLine stream={draft.stream} generation={generation} stopping={stopping} />
      <ProblemNotice problem={problem} />
      <Button icon="stop" busy={stopping} onClick={() => void onStop()}>
        {t.generate.stop}
      </Button>
    </>
  );
}
