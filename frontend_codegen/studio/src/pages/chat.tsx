import { useEffect, useState } from 'react';
import { useLocation, useSearch } from 'wouter';

import { ConversationView } from '../chat/conversation-view';
import { Rail } from '../chat/rail';
import { Start } from '../chat/start';
import { useTranslation } from '../i18n/context';
import { CHAT_PATH } from '../links';
import { Shell } from '../shell/shell';

type ChatPageProps = { shown: 'list' | 'start' } | { shown: 'conversation'; id: string };

/** The list beside what is open; narrow windows show one of the two. */
export function ChatPage(props: ChatPageProps) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const [stamp, setStamp] = useState(0);
  const id = props.shown === 'conversation' ? props.id : null;
  const assistantId = new URLSearchParams(useSearch()).get('assistant');
  useEffect(() => {
    if (id) return;
    document.title = `${t.chat.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [t, id]);
  const leave = () => navigate(CHAT_PATH);
  // A narrow window shows the list alone: then the list is what the page is about.
  const [Page, Main] = props.shown === 'list' ? (['main', 'div'] as const) : (['div', 'main'] as const);
  return (
    <Shell>
      <Page className="chat" data-shown={props.shown} {...(Page === 'main' && { id: 'main' })}>
        {Page === 'main' && <h1 className="visually-hidden">{t.chat.list}</h1>}
        <Rail current={id} stamp={stamp} onDeleted={(deleted) => deleted === id && leave()} />
        <Main className="chat-main" {...(Main === 'main' && { id: 'main' })}>
          {id ? (
            <ConversationView key={id} id={id} onChanged={() => setStamp((n) => n + 1)} onDeleted={leave} />
          ) : (
            <Start key={`${props.shown} ${assistantId}`} assistantId={props.shown === 'start' ? assistantId : null} />
          )}
        </Main>
      </Page>
    </Shell>
  );
}
