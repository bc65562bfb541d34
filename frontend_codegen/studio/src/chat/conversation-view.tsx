import { useConversationUpdateMutation } from '@fabula/client/urql';
import { useCallback, useEffect, useState } from 'react';
import { Link } from 'wouter';

import { CONVERSATION_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { assistantPath, CHAT_PATH } from '../links';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';
import { ProblemNotice } from '../ui/notice';
import { BasesPicker } from './bases-picker';
import { Composer } from './composer';
import { ConversationMenu } from './conversation-menu';
import { Gauge } from './gauge';
import { MessageItem } from './message-item';
import { type Cited, type Conversation, isBeingWritten } from './model';
import { PassageDialog } from './passage-dialog';
import { useConversation } from './use-conversation';
import { useNamed } from './use-named';
import { useTalking } from './use-talking';

interface ConversationViewProps {
  id: string;
  /** The list beside it may be out of date. */
  onChanged: () => void;
  onDeleted: () => void;
}

export function ConversationView({ id, onChanged, onDeleted }: ConversationViewProps) {
  const { t } = useTranslation();
  const { conversation, missing, error, busy, refetch, earlier, all } = useConversation(id, onChanged);
  const title = conversation?.title || conversation?.topic || t.chat.untitled;
  useEffect(() => {
    document.title = conversation ? `${title} · ${t.brand}` : t.brand;
    return () => void (document.title = t.brand);
  }, [conversation, title, t]);
  if (!conversation) {
    return (
      <section className="chat-talk chat-message">
        <h1 className="visually-hidden">{t.chat.title}</h1>
        <ProblemNotice problem={problemOf(t, error)}>
          <Button onClick={refetch}>{t.common.retry}</Button>
        </ProblemNotice>
        {!error && <p className="quiet">{missing ? t.chat.gone : t.common.loading}</p>}
        {missing && <Link href={CHAT_PATH}>{t.chat.backToList}</Link>}
      </section>
    );
  }
  return (
    <section className="chat-talk">
      <header className="chat-head">
        <Link className="icon-button chat-back" href={CHAT_PATH} aria-label={t.chat.backToList}>
          <Icon name="back" />
        </Link>
        <div className="chat-titles">
          <h1>{title}</h1>
          <With conversation={conversation} />
        </div>
        <ConversationMenu conversation={conversation} onDeleted={onDeleted} />
      </header>
      <Talk
        conversation={conversation}
        refetch={refetch}
        busy={busy}
        earlier={earlier}
        all={all}
        problem={problemOf(t, error)}
      />
    </section>
  );
}

/** The assistant that it was begun with. */
function With({ conversation: { assistant, context } }: { conversation: Conversation }) {
  const { t } = useTranslation();
  if (assistant) {
    return (
      <p className="quiet">
        {t.chat.assistant} <Link href={assistantPath(assistant.id)}>{assistant.name}</Link>
      </p>
    );
  }
  return context?.assistantGone ? <p className="quiet">{t.chat.assistantGone}</p> : null;
}

interface TalkProps {
  conversation: Conversation;
  refetch: () => void;
  busy: boolean;
  /** Nothing where the whole path is shown. */
  earlier: (() => void) | null;
  all: (() => void) | null;
  problem: Problem | null;
}

function Talk({ conversation, refetch, busy, earlier, all, problem }: TalkProps) {
  const { t } = useTranslation();
  const talking = useTalking(conversation.id);
  const [, update] = useConversationUpdateMutation();
  const [cited, setCited] = useState<Cited | null>(null);
  const [refused, setRefused] = useState<Problem | null>(null);
  const [stopped, setStopped] = useState<string | null>(null);
  const path = conversation.activePath;
  const writing = path.find(isBeingWritten)?.generation?.id ?? null;
  const { scroller, found, problem: notFound } = useNamed({ conversation, busy, all, switchTo: talking.switchTo });
  const onCited = useCallback((one: Cited) => setCited(one), []);
  const onStop = async (generationId: string) => {
    setStopped(generationId);
    const problemThen = await talking.stop(generationId);
    setRefused(problemThen);
    if (problemThen) setStopped(null);
  };
  const onChoose = async (knowledgeBaseIds: string[]) => {
    const { data, error } = await update({ input: { id: conversation.id, knowledgeBaseIds } }, CONVERSATION_CONTEXT);
    return problemOf(t, error, data?.conversationUpdate.userErrors);
  };
  return (
    <>
      <div className="chat-scroll" ref={scroller} tabIndex={0} role="region" aria-label={t.chat.said}>
        <ProblemNotice problem={problem ?? notFound} />
        {earlier && (
          <Button look="quiet" onClick={earlier}>
            {t.chat.earlier}
          </Button>
        )}
        <ol className="messages">
          {path.map((message) => (
            <MessageItem
              key={message.id}
              message={message}
              assistant={conversation.assistant?.name ?? null}
              found={message.id === found}
              talking={talking}
              idle={writing === null}
              onEnded={refetch}
              onCited={onCited}
            />
          ))}
        </ol>
      </div>
      <footer className="chat-foot">
        <ProblemNotice problem={refused} />
        <Composer
          onSend={(text) => talking.send(conversation.id, text)}
          onStop={writing ? () => void onStop(writing) : null}
          stopping={stopped !== null && stopped === writing}
        >
          <BasesPicker chosen={conversation.knowledgeBaseIds} onChoose={onChoose} />
          <Gauge context={conversation.context} />
        </Composer>
      </footer>
      {cited && <PassageDialog cited={cited} onClose={() => setCited(null)} />}
    </>
  );
}
