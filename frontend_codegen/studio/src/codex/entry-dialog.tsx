import type { CodexEntryPartsFragment, CodexInclusion, CodexKind } from '@fabula/client';
import {
  useCodexEntryCreateMutation,
  useCodexEntryDeleteMutation,
  useCodexEntryUpdateMutation,
} from '@fabula/client/urql';
import { useState } from 'react';

import { CODEX_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { CODEX_KINDS, INCLUSIONS } from './kinds';

/** What the form holds: lists as the text a person types. */
interface Draft {
  kind: CodexKind;
  name: string;
  summary: string;
  aliases: string;
  attributes: string;
  inclusion: CodexInclusion;
}

function draftOf(entry: CodexEntryPartsFragment | null): Draft {
  return {
    kind: entry?.kind ?? 'CHARACTER',
    name: entry?.name ?? '',
    summary: entry?.summary ?? '',
    aliases: entry?.aliases.join(', ') ?? '',
    attributes: entry?.attributes.map(({ key, value }) => `${key}: ${value}`).join('\n') ?? '',
    inclusion: entry?.inclusion ?? 'DETECTED',
  };
}

/** Chinese punctuation separates as well as Latin does. A line without a colon is a key without a value. */
function fieldsOf({ aliases, attributes, ...rest }: Draft) {
  const lines = attributes.split('\n').filter((line) => line.trim());
  return {
    ...rest,
    aliases: aliases
      .split(/[,，、]/)
      .map((alias) => alias.trim())
      .filter(Boolean),
    attributes: lines.map((line) => {
      const [, key = line, value = ''] = /^(.*?)[:：](.*)$/.exec(line) ?? [];
      return { key: key.trim(), value: value.trim() };
    }),
  };
}

interface EntryDialogProps {
  projectId: string;
  entry: CodexEntryPartsFragment | null;
  onClose: () => void;
}

function useEntryActions({ projectId, entry, onClose }: EntryDialogProps) {
  const { t } = useTranslation();
  const [creating, create] = useCodexEntryCreateMutation();
  const [updating, update] = useCodexEntryUpdateMutation();
  const [removing, remove] = useCodexEntryDeleteMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const settle = (next: Problem | null) => {
    setProblem(next);
    if (!next) onClose();
  };
  const save = async (draft: Draft) => {
    const fields = fieldsOf(draft);
    if (entry) {
      const { data, error } = await update({ input: { id: entry.id, ...fields } });
      settle(problemOf(t, error, data?.codexEntryUpdate.userErrors));
    } else {
      const { data, error } = await create({ input: { projectId, ...fields } });
      settle(problemOf(t, error, data?.codexEntryCreate.userErrors));
    }
  };
  const onDelete = async () => {
    if (!entry) return;
    const { data, error } = await remove({ input: { id: entry.id } }, CODEX_CONTEXT);
    settle(problemOf(t, error, data?.codexEntryDelete.userErrors));
  };
  return { problem, busy: creating.fetching || updating.fetching || removing.fetching, save, onDelete };
}

export function EntryDialog(props: EntryDialogProps) {
  const { t } = useTranslation();
  const { entry, onClose } = props;
  const { problem, busy, save, onDelete } = useEntryActions(props);
  const [draft, setDraft] = useState(() => draftOf(entry));
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change });
  const actions = (
    <>
      {entry && (
        <Button look="danger" disabled={busy} onClick={() => void onDelete()}>
          {t.common.delete}
        </Button>
      )}
      <span className="spacer" />
      <Button onClick={onClose}>{t.common.cancel}</Button>
      <Button look="primary" type="submit" busy={busy}>
        {t.common.save}
      </Button>
    </>
  );
  return (
    <Dialog
      title={entry ? t.codex.edit : t.codex.add}
      onClose={onClose}
      onSubmit={() => void save(draft)}
      actions={actions}
    >
      {problem && problem.field !== 'name' && <ProblemNotice problem={problem} />}
      <Field label={t.codex.name} error={problem?.field === 'name' ? problem.message : null}>
        <input value={draft.name} onChange={(event) => set({ name: event.target.value })} autoFocus />
      </Field>
      <Field label={t.codex.kind}>
        <select value={draft.kind} onChange={(event) => set({ kind: event.target.value as CodexKind })}>
          {CODEX_KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {t.codex.kinds[kind]}
            </option>
          ))}
        </select>
      </Field>
      <Field label={t.codex.summary} optional>
        <textarea rows={3} value={draft.summary} onChange={(event) => set({ summary: event.target.value })} />
      </Field>
      <Field label={t.codex.aliases} hint={t.codex.aliasesHint} optional>
        <input value={draft.aliases} onChange={(event) => set({ aliases: event.target.value })} />
      </Field>
      <Field label={t.codex.attributes} hint={t.codex.attributesHint} optional>
        <textarea rows={3} value={draft.attributes} onChange={(event) => set({ attributes: event.target.value })} />
      </Field>
      <Field label={t.codex.inclusion}>
        <select value={draft.inclusion} onChange={(event) => set({ inclusion: event.target.value as CodexInclusion })}>
          {INCLUSIONS.map((inclusion) => (
            <option key={inclusion} value={inclusion}>
              {t.codex.inclusions[inclusion]}
            </option>
          ))}
        </select>
      </Field>
    </Dialog>
  );
}
