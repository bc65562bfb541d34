import type { Category, Visibility } from '@fabula/client';
import {
  useAssistantCreateMutation,
  useAssistantDeleteMutation,
  useAssistantPublishMutation,
  useAssistantPublishPreviewQuery,
  useAssistantRateMutation,
  useAssistantUpdateMutation,
  useAssistantVersionCreateMutation,
} from '@fabula/client/urql';
import { useState } from 'react';

import { ASSISTANT_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Ask } from '../ui/ask';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { type Assistant, type AssistantVersion, CATEGORIES, COMMAS, listOf } from './model';

interface AboutDialogProps {
  /** What is changed; without it a new one is made. */
  assistant: Assistant | null;
  onMade?: (id: string) => void;
  onClose: () => void;
}

export function AboutDialog({ assistant, onMade, onClose }: AboutDialogProps) {
  const { t } = useTranslation();
  const [, create] = useAssistantCreateMutation();
  const [, update] = useAssistantUpdateMutation();
  const [name, setName] = useState(assistant?.name ?? '');
  const [description, setDescription] = useState(assistant?.description ?? '');
  const [category, setCategory] = useState<Category>(assistant?.category ?? 'OTHER');
  const [tags, setTags] = useState(assistant?.tags.join(', ') ?? '');
  const run = async () => {
    const about = { name, description, category, tags: listOf(tags, COMMAS) };
    if (assistant) {
      const { data, error } = await update({ input: { id: assistant.id, ...about } }, ASSISTANT_CONTEXT);
      return problemOf(t, error, data?.assistantUpdate.userErrors);
    }
    const { data, error } = await create({ input: about }, ASSISTANT_CONTEXT);
    const made = data?.assistantCreate.assistant;
    if (made) onMade?.(made.id);
    return problemOf(t, error, data?.assistantCreate.userErrors);
  };
  return (
    <Ask
      title={assistant ? t.assistants.editTitle : t.assistants.addTitle}
      action={assistant ? t.common.save : t.common.create}
      run={run}
      onClose={onClose}
    >
      {(problem) => (
        <>
          <ProblemNotice problem={problem?.field === 'name' ? null : problem} />
          <Field label={t.assistants.name} error={problem?.field === 'name' ? problem.message : null}>
            <input value={name} autoFocus onChange={(event) => setName(event.target.value)} />
          </Field>
          <Field label={t.assistants.description} optional>
            <textarea rows={3} value={description} onChange={(event) => setDescription(event.target.value)} />
          </Field>
          <Field label={t.assistants.category}>
            <select value={category} onChange={(event) => setCategory(event.target.value as Category)}>
              {CATEGORIES.map((one) => (
                <option key={one} value={one}>
                  {t.assistants.categories[one]}
                </option>
              ))}
            </select>
          </Field>
          <Field label={t.assistants.tags} hint={t.assistants.tagsHint} optional>
            <input value={tags} onChange={(event) => setTags(event.target.value)} />
          </Field>
        </>
      )}
    </Ask>
  );
}

interface VersionDialogProps {
  assistantId: string;
  /** What the new one begins with. */
  from: AssistantVersion | null;
  onClose: () => void;
}

/** Versions are immutable: what is saved is the next one. What this form does not show goes over as it is. */
export function VersionDialog({ assistantId, from, onClose }: VersionDialogProps) {
  const { t } = useTranslation();
  const [, create] = useAssistantVersionCreateMutation();
  const [prompt, setPrompt] = useState(from?.prompt ?? '');
  const [greeting, setGreeting] = useState(from?.greeting ?? '');
  const [opening, setOpening] = useState(from?.openingMessages.join('\n') ?? '');
  const [model, setModel] = useState(from?.modelPreferences.model ?? '');
  const [temperature, setTemperature] = useState(from?.modelPreferences.temperature?.toString() ?? '');
  const [changelog, setChangelog] = useState('');
  const run = async () => {
    const input = {
      assistantId,
      prompt,
      greeting,
      changelog,
      openingMessages: listOf(opening, /\n/),
      examples: (from?.examples ?? []).map(({ user, assistant }) => ({ user, assistant })),
      tools: (from?.tools ?? []).map(({ name, description }) => ({ name, description })),
      knowledgeBaseIds: from?.knowledgeBaseIds ?? [],
      modelPreferences: {
        model: model.trim() || null,
        temperature: temperature.trim() === '' ? null : Number(temperature),
        maxOutputTokens: from?.modelPreferences.maxOutputTokens ?? null,
      },
    };
    const { data, error } = await create({ input }, ASSISTANT_CONTEXT);
    return problemOf(t, error, data?.assistantVersionCreate.userErrors);
  };
  return (
    <Ask title={t.assistants.newVersion} action={t.common.save} wide run={run} onClose={onClose}>
      {(problem) => (
        <>
          <p className="quiet">{t.assistants.versionText}</p>
          <ProblemNotice problem={problem?.field === 'prompt' ? null : problem} />
          <Field label={t.assistants.prompt} error={problem?.field === 'prompt' ? problem.message : null}>
            <textarea
              className="serif"
              rows={8}
              value={prompt}
              autoFocus
              onChange={(event) => setPrompt(event.target.value)}
            />
          </Field>
          <Field label={t.assistants.greeting} optional>
            <textarea rows={2} value={greeting} onChange={(event) => setGreeting(event.target.value)} />
          </Field>
          <Field label={t.assistants.opening} hint={t.assistants.openingHint} optional>
            <textarea rows={3} value={opening} onChange={(event) => setOpening(event.target.value)} />
          </Field>
          <div className="field-pair">
            <Field label={t.assistants.model} optional>
              <input value={model} onChange={(event) => setModel(event.target.value)} />
            </Field>
            <Field label={t.assistants.temperature} optional>
              <input
                type="number"
                min={0}
                max={2}
                step={0.1}
                value={temperature}
                onChange={(event) => setTemperature(event.target.value)}
              />
            </Field>
          </div>
          <Field label={t.assistants.changelog} optional>
            <input value={changelog} onChange={(event) => setChangelog(event.target.value)} />
          </Field>
        </>
      )}
    </Ask>
  );
}

const AUDIENCES: Visibility[] = ['TENANT', 'PUBLIC'];

export function PublishDialog({ assistant, onClose }: { assistant: Assistant; onClose: () => void }) {
  const { t } = useTranslation();
  const [, publish] = useAssistantPublishMutation();
  const [visibility, setVisibility] = useState<Visibility>('TENANT');
  const [{ data }] = useAssistantPublishPreviewQuery({
    variables: { input: { assistantId: assistant.id } },
    requestPolicy: 'network-only',
  });
  const stripped = data?.assistantPublishPreview?.stripped;
  const run = async () => {
    const answer = await publish({ input: { assistantId: assistant.id, visibility } }, ASSISTANT_CONTEXT);
    return problemOf(t, answer.error, answer.data?.assistantPublish.userErrors);
  };
  return (
    <Ask title={t.assistants.publishTitle} action={t.assistants.publish} run={run} onClose={onClose}>
      {(problem) => (
        <>
          <ProblemNotice problem={problem} />
          <p>{t.assistants.publishText}</p>
          <Field label={t.assistants.visibility}>
            <select value={visibility} onChange={(event) => setVisibility(event.target.value as Visibility)}>
              {AUDIENCES.map((one) => (
                <option key={one} value={one}>
                  {t.assistants.visibilities[one]}
                </option>
              ))}
            </select>
          </Field>
          {stripped?.length === 0 && <p className="quiet">{t.assistants.nothingStripped}</p>}
          {stripped && stripped.length > 0 && (
            <section>
              <h3>{t.assistants.stripped}</h3>
              <ul>
                {stripped.map(({ path, reason }) => (
                  <li key={path}>
                    <code>{path}</code> <span className="quiet">{t.assistants.reasons[reason]}</span>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </>
      )}
    </Ask>
  );
}

/** Words for the stars that were given. */
export function ReviewDialog({ assistant, onClose }: { assistant: Assistant; onClose: () => void }) {
  const { t } = useTranslation();
  const [, rate] = useAssistantRateMutation();
  const [words, setWords] = useState(assistant.viewer.words);
  const run = async () => {
    const input = { assistantId: assistant.id, rating: assistant.viewer.rating ?? 0, words };
    const { data, error } = await rate({ input }, ASSISTANT_CONTEXT);
    return problemOf(t, error, data?.assistantRate.userErrors);
  };
  return (
    <Ask title={t.assistants.review} action={t.common.save} run={run} onClose={onClose}>
      {(problem) => (
        <Field label={t.assistants.words} hint={t.assistants.wordsHint} error={problem?.message}>
          <textarea rows={4} value={words} autoFocus onChange={(event) => setWords(event.target.value)} />
        </Field>
      )}
    </Ask>
  );
}

interface DeleteDialogProps {
  assistant: Assistant;
  onDeleted: () => void;
  onClose: () => void;
}

export function AssistantDeleteDialog({ assistant, onDeleted, onClose }: DeleteDialogProps) {
  const { t } = useTranslation();
  const [, remove] = useAssistantDeleteMutation();
  const run = async () => {
    const { data, error } = await remove({ input: { id: assistant.id } }, ASSISTANT_CONTEXT);
    const refused = problemOf(t, error, data?.assistantDelete.userErrors);
    if (!refused) onDeleted();
    return refused;
  };
  const title = t.assistants.deleteTitle(assistant.name);
  return (
    <Ask title={title} action={t.common.delete} danger run={run} onClose={onClose}>
      {(problem) => (
        <>
          <ProblemNotice problem={problem} />
          <p>{t.assistants.deleteText}</p>
        </>
      )}
    </Ask>
  );
}
