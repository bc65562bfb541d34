import type { ChapterGenerateInput, ChapterGenerateMutation } from '@fabula/client';
import { useChapterGenerateMutation, useChapterUpdateMutation, useChannelsQuery } from '@fabula/client/urql';
import { type FormEvent, useRef, useState } from 'react';

import { PROJECT_CONTEXT, randomKey } from '../api';
import { formatCount, formatMoment, formatMoney } from '../format';
import { type Language, useTranslation } from '../i18n/context';
import type { Strings } from '../i18n/en';
import { failure, type Problem, problemOf, sentence } from '../problems';
import { Button } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { CostAhead } from './cost-ahead';
import { type Chapter, latestGeneration } from './model';
import { WhyChannel } from './why-channel';

interface WritePanelProps {
  chapter: Chapter;
  running: boolean;
  onStarted: (generationId: string) => void;
}

type Outcome = ChapterGenerateMutation['chapterGenerate'];

export function WritePanel({ chapter, running, onStarted }: WritePanelProps) {
  const { t, language } = useTranslation();
  const lang = chapter.project.language;
  const [instructions, setInstructions] = useState(latestGeneration(chapter)?.instructions ?? '');
  const [targetWords, setTargetWords] = useState('');
  const [channelId, setChannelId] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [{ fetching }, generate] = useChapterGenerateMutation();
  const keyed = useIdempotencyKey();
  const words = Number.parseInt(targetWords, 10) || null;
  const request = { chapterId: chapter.id, instructions, targetWords: words, channelId: channelId || null };

  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    const { data, error } = await generate({ input: keyed.add(request) }, PROJECT_CONTEXT);
    const outcome = data?.chapterGenerate;
    if (outcome) keyed.forget();
    setProblem(outcome ? refusalOf(t, language, outcome) : problemOf(t, error));
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

/** Pressing again after an answer was lost on the way must not start a second draft: the same request keeps its key. */
function useIdempotencyKey() {
  const last = useRef<{ body: string; key: string } | null>(null);
  return {
    add: (request: Omit<ChapterGenerateInput, 'idempotencyKey'>): ChapterGenerateInput => {
      const body = JSON.stringify(request);
      if (last.current?.body !== body) last.current = { body, key: randomKey() };
      return { ...request, idempotencyKey: last.current.key };
    },
    forget: () => {
      last.current = null;
    },
  };
}

function refusalOf(t: Strings, language: Language, outcome: Outcome): Problem | null {
  switch (outcome.__typename) {
    case 'GenerationStarted':
      return null;
    case 'QuotaExhausted': {
      const message = t.generate.quota(formatMoney(outcome.needed, language), formatMoney(outcome.available, language));
      return { code: outcome.code, message, field: null };
    }
    case 'BudgetExceeded': {
      const { needed, left, budget, resetsAt } = outcome;
      const message = t.generate.budget(
        formatMoney(needed, language),
        formatMoney(left, language),
        t.budgets.whose[budget?.subject ?? 'TENANT'],
        resetsAt ? formatMoment(resetsAt, language) : null,
      );
      return { code: outcome.code, message, field: null };
    }
    case 'ContextTooSmall': {
      const message = t.generate.context(
        formatCount(outcome.requiredTokens, language),
        formatCount(outcome.budgetTokens, language),
      );
      return { code: outcome.code, message, field: null };
    }
    default:
      return {
        code: outcome.code,
        message: sentence(t, outcome.code, outcome.message),
        field: outcome.field?.at(-1) ?? null,
      };
  }
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

interface ChannelSelectProps {
  id?: string;
  value: string;
  onChange: (id: string) => void;
}

function ChannelSelect({ id, value, onChange }: ChannelSelectProps) {
  const { t } = useTranslation();
  const [{ data }] = useChannelsQuery();
  const channels = (data?.channels.edges ?? []).map((edge) => edge.node);
  const standard = channels.find((channel) => channel.isDefault);
  return (
    <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">{standard ? `${standard.name} · ${standard.models[0]?.name}` : t.generate.standard}</option>
      {channels
        .filter((channel) => channel !== standard)
        .map((channel) => (
          <option key={channel.id} value={channel.id}>
            {channel.name} · {channel.models[0]?.name}
          </option>
        ))}
    </select>
  );
}
