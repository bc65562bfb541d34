import { useConversationUpdateMutation } from '@fabula/client/urql';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Link } from 'wouter';

import { CONVERSATION_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { CHAT_PATH } from '../links';
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
import { useTalking } from './use-talking';

interface ConversationViewProps {
  id: string;
  /** The list beside it may be out of date. */
  onChanged: () => void;
  onDeleted: () => void;
}

export function ConversationView({ id, onChanged, onDeleted }: ConversationViewProps) {
  const { t } = useTranslation();
  const { conversation, missing, error, refetch, hasEarlier, earlier } = useConversation(id, onChanged);
  const title = conversation?.title || conversation?.topic || t.chat.untitled;
  useEffect(() => {
    document.title = conversation ? `${title} · ${t.brand}` : t.brand;
    return () => void (document.title = t.brand);
  }, [conversation, title, t]);
  if (!conversation) {
    return (
      <section className="chat-talk chat-message">
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
        <h1>{title}</h1>
        <ConversationMenu conversation={conversation} onDeleted={onDeleted} />
      </header>
      <Talk
        conversation={conversation}
        refetch={refetch}
        earlier={hasEarlier ? earlier : null}
        problem={problemOf(t, error)}
      />
    </section>
  );
}

interface TalkProps {
  conversation: Conversation;
  refetch: () => void;
  earlier: (() => void) | null;
  problem: Problem | null;
}

function Talk({ conversation, refetch, earlier, problem }: TalkProps) {
  const { t } = useTranslation();
  const talking = useTalking(conversation.id);
  const [, update] = useConversationUpdateMutation();
  const [cited, setCited] = useState<Cited | null>(null);
  const [refused, setRefused] = useState<Problem | null>(null);
  const [stopped, setStopped] = useState<string | null>(null);
  const path = conversation.activePath;
  const writing = path.find(isBeingWritten)?.generation?.id ?? null;
  const scroller = useScroll(conversation);
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
        <ProblemNotice problem={problem} />
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

/** Opens at the newest message, or at the one that the address names, and goes along with what is said. */
function useScroll({ id, activePath }: Conversation) {
  const scroller = useRef<HTMLDivElement>(null);
  const newest = activePath.at(-1)?.id ?? null;
  const opened = useRef<string | null>(null);
  useLayoutEffect(() => {
    const named = opened.current === id ? null : new URLSearchParams(location.search).get('message');
    const element = named && document.getElementById(named);
    opened.current = id;
    if (element) element.scrollIntoView({ block: 'center' });
    else if (scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, [id, newest]);
  return scroller;
}
