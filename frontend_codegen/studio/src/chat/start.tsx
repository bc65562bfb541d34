import type { AssistantOpeningQuery } from '@fabula/client';
import { useAssistantOpeningQuery, useConversationCreateMutation } from '@fabula/client/urql';
import { useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { ASSISTANT_CONTEXT, CONVERSATION_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { CHAT_PATH, conversationPath } from '../links';
import { problemOf } from '../problems';
import { Icon } from '../ui/icon';
import { ProblemNotice } from '../ui/notice';
import { BasesPicker } from './bases-picker';
import { Composer } from './composer';
import { Markdown } from './markdown';
import { useTalking } from './use-talking';

type Assistant = Extract<NonNullable<AssistantOpeningQuery['node']>, { __typename: 'Assistant' }>;

/** The first message makes the conversation, with an assistant where one is named. */
export function Start({ assistantId }: { assistantId: string | null }) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const [, create] = useConversationCreateMutation();
  const talking = useTalking(null);
  const [{ data, error, fetching }] = useAssistantOpeningQuery({
    variables: { id: assistantId ?? '' },
    context: ASSISTANT_CONTEXT,
    pause: assistantId === null,
  });
  const assistant = data?.node?.__typename === 'Assistant' ? data.node : null;
  // A message that is refused has its conversation already; sending again must not make another.
  const made = useRef<string | null>(null);
  const [bases, setBases] = useState<string[]>([]);
  const onChoose = async (ids: string[]) => {
    made.current = null;
    setBases(ids);
    return null;
  };
  const onSend = async (text: string) => {
    if (!made.current) {
      const installed = assistant?.viewer.installedVersion;
      const persona = installed ? { assistantVersionId: installed.id } : { assistantId };
      const { data, error } = await create({ input: { knowledgeBaseIds: bases, ...persona } }, CONVERSATION_CONTEXT);
      const refused = problemOf(t, error, data?.conversationCreate.userErrors);
      if (refused) return refused;
      made.current = data?.conversationCreate.conversation?.id ?? null;
    }
    if (!made.current) return null;
    const refused = await talking.send(made.current, text);
    if (!refused) navigate(conversationPath(made.current));
    return refused;
  };
  return (
    <section className={assistant ? 'chat-talk' : 'chat-talk chat-start'}>
      <header className="chat-head">
        <Link className="icon-button chat-back" href={CHAT_PATH} aria-label={t.chat.backToList}>
          <Icon name="back" />
        </Link>
        {assistant && <h1>{assistant.name}</h1>}
      </header>
      {assistant ? (
        <Openings assistant={assistant} />
      ) : (
        <div className="chat-welcome">
          <ProblemNotice problem={problemOf(t, error)} />
          <h1>{t.chat.startTitle}</h1>
          <p className="quiet">{assistantId && data && !fetching ? t.assistants.gone : t.chat.startText}</p>
        </div>
      )}
      <footer className="chat-foot">
        <Composer onSend={onSend} onStop={null}>
          <BasesPicker chosen={bases} onChoose={onChoose} />
        </Composer>
      </footer>
    </section>
  );
}

const noChip = () => null;

/** What the assistant says first. It is said anew by the server when the conversation is made. */
function Openings({ assistant }: { assistant: Assistant }) {
  const { t } = useTranslation();
  const version = assistant.viewer.installedVersion ?? assistant.currentVersion;
  const said = [version?.greeting ?? '', ...(version?.openingMessages ?? [])].filter((one) => one.trim());
  return (
    <div className="chat-scroll" tabIndex={0} role="region" aria-label={t.chat.said}>
      <ol className="messages">
        {assistant.description && <li className="quiet">{assistant.description}</li>}
        {said.map((text, index) => (
          <li key={index} className="message">
            <h2 className="message-who">{assistant.name}</h2>
            <Markdown text={text} chip={noChip} />
          </li>
        ))}
      </ol>
    </div>
  );
}
