import type { ChapterGenerateInput } from '@fabula/client';
import { useChapterGenerateMutation, useChapterUpdateMutation } from '@fabula/client/urql';
import { type FormEvent, useState } from 'react';

import { PROJECT_CONTEXT } from '../api';
import { ChannelSelect } from '../channels/channel-select';
import { useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { failure, type Problem, problemOf } from '../problems';
import { refusalOf } from '../refusals';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { useIdempotencyKey } from '../use-idempotency-key';
import { CostAhead } from './cost-ahead';
import { type Chapter, latestGeneration } from './model';
import { WhyChannel } from './why-channel';

interface WritePanelProps {
  chapter: Chapter;
  running: boolean;
  onStarted: (generationId: string) => void;
}

export function WritePanel({ chapter, running, onStarted }: WritePanelProps) {
  const { t, language } = useTranslation();
  const lang = chapter.project.language;
  const [instructions, setInstructions] = useState(latestGeneration(chapter)?.instructions ?? '');
  const [targetWords, setTargetWords] = useState('');
  const [channelId, setChannelId] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [{ fetching }, generate] = useChapterGenerateMutation();
  const keyed = useIdempotencyKey<ChapterGenerateInput>();
  const words = Number.parseInt(targetWords, 10) || null;
  const request = { chapterId: chapter.id, instructions, targetWords: words, channelId: channelId || null };

  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    const { data, error } = await generate({ input: keyed.add(request) }, PROJECT_CONTEXT);
    const outcome = data?.chapterGenerate;
    if (outcome) keyed.forget();
    setProblem(outcome ? refusalOf(t, language, outcome, t.generate) : problemOf(t, error));
    if (outcome?.__typename === 'GenerationStarted') onStarted(outcome.generation.id);
  };
  const latest = latestGeneration(chapter);
  return (
    <>
      <form className="write" onSubmit={(event) => void onSubmit(event)}>
        <Plan key={chapter.id} chapter={chapter} />
        <Field label={t.generate.instructions} hint={t.generate.instructionsHint}>
          <textarea
            className="serif"
            rows={5}
            lang={lang}
            value={instructions}
            onChange={(event) => setInstructions(event.target.value)}
          />
        </Field>
        <Field label={t.generate.targetWords}>
          <input
            type="number"
            min={50}
            max={20000}
            step={50}
            placeholder={t.generate.standard}
            value={targetWords}
            onChange={(event) => setTargetWords(event.target.value)}
          />
        </Field>
        <Field label={t.generate.channel}>
          <ChannelSelect value={channelId} onChange={setChannelId} />
        </Field>
        <CostAhead input={request} paused={running} />
        <ProblemNotice problem={problem ?? (running ? null : failureOf(t, chapter))} />
        <Button look="primary" icon="pencil" type="submit" busy={fetching} disabled={running}>
          {fetching ? t.generate.starting : running ? t.generate.running : t.generate.button}
        </Button>
      </form>
      {!running && latest?.state === 'FAILED' && <WhyChannel generationId={latest.id} />}
    </>
  );
}

/** Why the last attempt left no draft, also to somebody who was not there when it ended. */
function failureOf(t: Strings, chapter: Chapter): Problem | null {
  const latest = latestGeneration(chapter);
  if (latest?.state !== 'FAILED') return null;
  const code = latest.errorCode ?? '';
  return { code, message: failure(t, code, latest.errorMessage ?? ''), field: null };
}

function Plan({ chapter }: { chapter: Chapter }) {
  const { t } = useTranslation();
  const [, update] = useChapterUpdateMutation();
  const [plan, setPlan] = useState(chapter.plan);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onBlur = async () => {
    if (plan === chapter.plan) return;
    const { data, error } = await update({ input: { id: chapter.id, plan } });
    setProblem(problemOf(t, error, data?.chapterUpdate.userErrors));
  };
  return (
    <Field label={t.generate.plan} hint={t.generate.planHint} error={problem?.message}>
      <textarea
        className="serif"
        rows={4}
        lang={chapter.project.language}
        value={plan}
        onChange={(event) => setPlan(event.target.value)}
        onBlur={() => void onBlur()}
      />
    </Field>
  );
}
