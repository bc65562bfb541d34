import type { ProviderKind } from '@fabula/client';
import { useChannelCreateMutation, useChannelDeleteMutation, useChannelUpdateMutation } from '@fabula/client/urql';
import { type ChangeEvent, useState } from 'react';

import { CHANNEL_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { type Channel, channelDraftOf, type ChannelDraft, createInputOf, PROVIDERS, updateInputOf } from './model';

interface ChannelDialogProps {
  channel: Channel | null;
  onClose: () => void;
}

function useSave({ channel, onClose }: ChannelDialogProps) {
  const { t } = useTranslation();
  const [creating, create] = useChannelCreateMutation();
  const [updating, update] = useChannelUpdateMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const settle = (next: Problem | null) => {
    setProblem(next);
    if (!next) onClose();
  };
  const save = async (draft: ChannelDraft) => {
    if (channel) {
      const { data, error } = await update({ input: updateInputOf(channel, draft) });
      settle(problemOf(t, error, data?.channelUpdate.userErrors));
    } else {
      const { data, error } = await create({ input: createInputOf(draft) }, CHANNEL_CONTEXT);
      settle(problemOf(t, error, data?.channelCreate.userErrors));
    }
  };
  return { problem, busy: creating.fetching || updating.fetching, save };
}

interface FieldsProps {
  channel: Channel | null;
  draft: ChannelDraft;
  problem: Problem | null;
  set: (change: Partial<ChannelDraft>) => void;
}

export function ChannelDialog(props: ChannelDialogProps) {
  const { t } = useTranslation();
  const { channel, onClose } = props;
  const { problem, busy, save } = useSave(props);
  const [draft, setDraft] = useState(() => channelDraftOf(channel));
  const fields = { channel, draft, problem, set: (change: Partial<ChannelDraft>) => setDraft({ ...draft, ...change }) };
  const elsewhere = problem && !(problem.field !== null && problem.field in draft);
  const actions = (
    <>
      <Button onClick={onClose}>{t.common.cancel}</Button>
      <Button look="primary" type="submit" busy={busy}>
        {channel ? t.common.save : t.common.create}
      </Button>
    </>
  );
  return (
    <Dialog
      title={channel ? t.channels.editTitle : t.channels.add}
      onClose={onClose}
      onSubmit={() => void save(draft)}
      actions={actions}
    >
      {elsewhere && <ProblemNotice problem={problem} />}
      <WhatItIs {...fields} />
      <KeyField {...fields} />
      <HowItIsChosen {...fields} />
      <Limits {...fields} />
    </Dialog>
  );
}

type TextName = Exclude<keyof ChannelDraft, 'dropKey' | 'isDefault'>;

/** A text field's value, its changes, and what is wrong with it. */
function binder({ draft, problem, set }: FieldsProps) {
  return {
    bind: (name: TextName) => ({
      value: draft[name],
      onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => set({ [name]: event.target.value }),
    }),
    errorOf: (name: TextName) => (problem?.field === name ? problem.message : null),
  };
}

function WhatItIs(props: FieldsProps) {
  const { t } = useTranslation();
  const { channel, draft, set } = props;
  const { bind, errorOf } = binder(props);
  return (
    <>
      <Field label={t.channels.name} error={errorOf('name')}>
        <input {...bind('name')} autoFocus />
      </Field>
      <Field label={t.channels.provider} error={errorOf('provider')}>
        <select
          value={draft.provider}
          disabled={channel !== null}
          onChange={(event) => set({ provider: event.target.value as ProviderKind })}
        >
          {PROVIDERS.map((provider) => (
            <option key={provider} value={provider}>
              {t.channels.providers[provider]}
            </option>
          ))}
        </select>
      </Field>
      <Field label={t.channels.models} hint={t.channels.modelsHint} error={errorOf('models')}>
        <textarea rows={2} {...bind('models')} />
      </Field>
      <Field label={t.channels.baseUrl} hint={t.channels.baseUrlHint} error={errorOf('baseUrl')} optional>
        <input type="url" inputMode="url" {...bind('baseUrl')} />
      </Field>
      {draft.provider === 'AZURE_OPENAI' && (
        <Field label={t.channels.apiVersion} hint={t.channels.apiVersionHint} error={errorOf('apiVersion')} optional>
          <input {...bind('apiVersion')} />
        </Field>
      )}
    </>
  );
}

/** A key goes in and never comes out: the placeholder says whether there is one. */
function KeyField(props: FieldsProps) {
  const { t } = useTranslation();
  const { channel, draft, set } = props;
  const { bind, errorOf } = binder(props);
  const hasKey = channel?.hasKey ?? false;
  return (
    <>
      <Field label={t.channels.key} error={errorOf('apiKey')} optional>
        <input
          type="password"
          autoComplete="new-password"
          placeholder={hasKey ? t.channels.keySet : t.channels.keyUnset}
          disabled={draft.dropKey}
          {...bind('apiKey')}
        />
      </Field>
      {hasKey && (
        <label className="check">
          <input type="checkbox" checked={draft.dropKey} onChange={(event) => set({ dropKey: event.target.checked })} />
          {t.channels.dropKey}
        </label>
      )}
    </>
  );
}

function HowItIsChosen(props: FieldsProps) {
  const { t } = useTranslation();
  const { draft, set } = props;
  const { bind, errorOf } = binder(props);
  return (
    <>
      <div className="field-pair">
        <Field label={t.channels.weight} hint={t.channels.weightHint} error={errorOf('weight')}>
          <input type="number" min={0} max={1000} {...bind('weight')} />
        </Field>
        <Field label={t.channels.priority} hint={t.channels.priorityHint} error={errorOf('priority')}>
          <input type="number" min={-1000} max={1000} {...bind('priority')} />
        </Field>
      </div>
      <div className="field-pair">
        <Field label={t.channels.groups} hint={t.channels.groupsHint} error={errorOf('groups')} optional>
          <input {...bind('groups')} />
        </Field>
        <Field label={t.channels.region} error={errorOf('region')} optional>
          <input {...bind('region')} />
        </Field>
      </div>
      <label className="check">
        <input
          type="checkbox"
          checked={draft.isDefault}
          onChange={(event) => set({ isDefault: event.target.checked })}
        />
        {t.channels.makeStandard}
      </label>
    </>
  );
}

function Limits(props: FieldsProps) {
  const { t } = useTranslation();
  const { bind, errorOf } = binder(props);
  return (
    <fieldset className="fieldset">
      <legend>{t.channels.limits}</legend>
      <p className="field-hint">{t.channels.limitsHint}</p>
      <div className="field-pair">
        <Field label={t.channels.requestsPerMinute} error={errorOf('requestsPerMinute')}>
          <input type="number" min={0} {...bind('requestsPerMinute')} />
        </Field>
        <Field label={t.channels.tokensPerMinute} error={errorOf('tokensPerMinute')}>
          <input type="number" min={0} {...bind('tokensPerMinute')} />
        </Field>
      </div>
      <Field label={t.channels.concurrency} error={errorOf('concurrency')}>
        <input type="number" min={0} {...bind('concurrency')} />
      </Field>
    </fieldset>
  );
}

export function DeleteChannelDialog({ channel, onClose }: { channel: Channel; onClose: () => void }) {
  const { t } = useTranslation();
  const [{ fetching }, remove] = useChannelDeleteMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = async () => {
    const { data, error } = await remove({ input: { id: channel.id } }, CHANNEL_CONTEXT);
    setProblem(problemOf(t, error, data?.channelDelete.userErrors));
    if (data?.channelDelete.deletedId) onClose();
  };
  const actions = (
    <>
      <Button onClick={onClose}>{t.common.cancel}</Button>
      <Button look="danger" type="submit" busy={fetching}>
        {t.common.delete}
      </Button>
    </>
  );
  return (
    <Dialog
      title={t.channels.deleteTitle(channel.name)}
      onClose={onClose}
      onSubmit={() => void onSubmit()}
      actions={actions}
    >
      <ProblemNotice problem={problem} />
      <p>{t.channels.deleteText}</p>
    </Dialog>
  );
}
