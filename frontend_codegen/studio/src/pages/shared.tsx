import { useSharedConversationQuery } from '@fabula/client/urql';
import { useEffect, useMemo } from 'react';

import { Markdown } from '../chat/markdown';
import { sourcesOf, withNumberedMarks } from '../chat/model';
import { formatMoment } from '../format';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { tokenOf } from '../links';
import { Preferences } from '../shell/preferences';
import { ProblemNotice } from '../ui/notice';

/** What a link shows to whoever has it, also to those who are not logged in. */
export function SharedPage() {
  const { t, language } = useTranslation();
  const token = tokenOf(location.hash);
  const [{ data, error, fetching }] = useSharedConversationQuery({ variables: { token }, pause: !token });
  const shared = data?.sharedConversation;
  useEffect(() => {
    document.title = `${shared?.title || t.chat.shared.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [shared, t]);
  return (
    <div className="gate">
      <div className="gate-bar">
        <Preferences />
      </div>
      <main className="shared" id="main">
        <header>
          <h1>{shared?.title || t.chat.shared.title}</h1>
          {shared && <p className="quiet">{t.chat.shared.until(formatMoment(shared.expiresAt, language))}</p>}
        </header>
        <ProblemNotice problem={problemOf(t, error)} />
        {fetching && <p className="quiet">{t.common.loading}</p>}
        {!fetching && !error && !shared && <p>{t.chat.shared.gone}</p>}
        <ol className="messages">
          {shared?.messages.map((message, index) => (
            <SharedItem key={index} message={message} />
          ))}
        </ol>
      </main>
    </div>
  );
}

type Shared = NonNullable<NonNullable<ReturnType<typeof useSharedConversationQuery>[0]['data']>['sharedConversation']>;

function SharedItem({ message }: { message: Shared['messages'][number] }) {
  const { t } = useTranslation();
  const { text, citations } = message;
  const mine = message.role === 'USER';
  const marked = useMemo(
    () => withNumberedMarks(text, new Set(citations.map(({ marker }) => marker))),
    [text, citations],
  );
  return (
    <li className={mine ? 'message message-mine' : 'message'}>
      <h2 className="message-who">{mine ? t.chat.you : t.chat.model}</h2>
      {mine ? (
        <p className="message-text">{text}</p>
      ) : (
        <Markdown text={marked} chip={(marker) => <span className="chip">{marker}</span>} />
      )}
      {citations.length > 0 && (
        <div className="sources" role="group" aria-label={t.chat.sources}>
          <ol>
            {sourcesOf(citations).map(({ marker, quote, documentTitle }) => (
              <li key={marker}>
                <span className="source-number">{marker}</span>
                <span>{documentTitle || t.chat.unnamed}</span>
                <q>{quote}</q>
              </li>
            ))}
          </ol>
        </div>
      )}
    </li>
  );
}
