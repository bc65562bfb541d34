import type { RetrievalTrigger } from '@fabula/client';
import { useConversationUpdateMutation } from '@fabula/client/urql';
import { useState } from 'react';

import { MESSAGE_CONTEXT } from '../api';
import { ChannelSelect } from '../channels/channel-select';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import type { Conversation } from './model';

const TRIGGERS: RetrievalTrigger[] = ['AUTO', 'ALWAYS', 'NEVER'];
const numberOrNull = (text: string): number | null => (text.trim() === '' ? null : Math.trunc(Number(text)));

/** Who answers, from which knowledge, and how much of the conversation it reads. */
export function SettingsDialog({ conversation, onClose }: { conversation: Conversation; onClose: () => void }) {
  const { t } = useTranslation();
  const policy = conversation.contextPolicy;
  const [{ fetching }, update] = useConversationUpdateMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const [channelId, setChannelId] = useState(conversation.channelId ?? '');
  const [retrieval, setRetrieval] = useState(policy.retrieval);
  const [passages, setPassages] = useState(String(policy.passages));
  const [lastMessages, setLastMessages] = useState(policy.lastMessages?.toString() ?? '');
  const [maxTokens, setMaxTokens] = useState(policy.maxTokens?.toString() ?? '');
  const [summarize, setSummarize] = useState(policy.summarize);
  const onSubmit = async () => {
    const contextPolicy = {
      retrieval,
      passages: numberOrNull(passages) ?? 0,
      lastMessages: numberOrNull(lastMessages),
      maxTokens: numberOrNull(maxTokens),
      summarize,
    };
    const channel = channelId ? { channelId } : { anyChannel: true };
    const { data, error } = await update(
      { input: { id: conversation.id, contextPolicy, ...channel } },
      MESSAGE_CONTEXT,
    );
    const refused = problemOf(t, error, data?.conversationUpdate.userErrors);
    setProblem(refused);
    if (!refused) onClose();
  };
  const at = (field: string) => (problem?.field === field ? problem.message : null);
  const placed = problem?.field && ['passages', 'lastMessages', 'maxTokens'].includes(problem.field);
  const actions = (
    <>
      <Button look="quiet" onClick={onClose}>
        {t.common.cancel}
      </Button>
      <Button look="primary" type="submit" busy={fetching}>
        {t.common.save}
      </Button>
    </>
  );
  return (
    <Dialog title={t.chat.settingsTitle} onClose={onClose} onSubmit={() => void onSubmit()} actions={actions}>
      <ProblemNotice problem={placed ? null : problem} />
      <Field label={t.chat.answeredBy}>
        <ChannelSelect value={channelId} onChange={setChannelId} />
      </Field>
      <div className="field-pair">
        <Field label={t.chat.retrieval}>
          <select value={retrieval} onChange={(event) => setRetrieval(event.target.value as RetrievalTrigger)}>
            {TRIGGERS.map((one) => (
              <option key={one} value={one}>
                {t.chat.triggers[one]}
              </option>
            ))}
          </select>
        </Field>
        <Field label={t.chat.passages} error={at('passages')}>
          <input
            type="number"
            min={1}
            max={20}
            value={passages}
            disabled={retrieval === 'NEVER'}
            onChange={(event) => setPassages(event.target.value)}
          />
        </Field>
      </div>
      <div className="field-pair">
        <Field label={t.chat.lastMessages} hint={t.chat.lastMessagesHint} error={at('lastMessages')}>
          <input
            type="number"
            min={1}
            max={500}
            value={lastMessages}
            onChange={(event) => setLastMessages(event.target.value)}
          />
        </Field>
        <Field label={t.chat.maxTokens} hint={t.chat.maxTokensHint} error={at('maxTokens')}>
          <input
            type="number"
            min={256}
            step={256}
            value={maxTokens}
            onChange={(event) => setMaxTokens(event.target.value)}
          />
        </Field>
      </div>
      <label className="check">
        <input type="checkbox" checked={summarize} onChange={(event) => setSummarize(event.target.checked)} />
        {t.chat.summarize}
      </label>
    </Dialog>
  );
}
