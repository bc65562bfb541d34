import { useConversationCreateMutation } from '@fabula/client/urql';
import { useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { CONVERSATION_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { CHAT_PATH, conversationPath } from '../links';
import { problemOf } from '../problems';
import { Icon } from '../ui/icon';
import { BasesPicker } from './bases-picker';
import { Composer } from './composer';
import { useTalking } from './use-talking';

/** The first message makes the conversation. */
export function Start() {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const [, create] = useConversationCreateMutation();
  const talking = useTalking(null);
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
      const { data, error } = await create({ input: { knowledgeBaseIds: bases } }, CONVERSATION_CONTEXT);
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
    <section className="chat-talk chat-start">
      <header className="chat-head">
        <Link className="icon-button chat-back" href={CHAT_PATH} aria-label={t.chat.backToList}>
          <Icon name="back" />
        </Link>
      </header>
      <div className="chat-welcome">
        <h1>{t.chat.startTitle}</h1>
        <p className="quiet">{t.chat.startText}</p>
      </div>
      <footer className="chat-foot">
        <Composer onSend={onSend} onStop={null}>
          <BasesPicker chosen={bases} onChoose={onChoose} />
        </Composer>
      </footer>
    </section>
  );
}
