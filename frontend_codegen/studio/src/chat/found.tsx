import { useConversationsQuery, useMessageSearchQuery } from '@fabula/client/urql';
import { Link } from 'wouter';

import { useTranslation } from '../i18n/context';
import { conversationPath } from '../links';
import { problemOf } from '../problems';
import { ProblemNotice } from '../ui/notice';

/** Conversations whose titles match, then messages that do. */
export function Found({ query }: { query: string }) {
  const { t } = useTranslation();
  const [titles] = useConversationsQuery({
    variables: { first: 10, after: null, filter: { query } },
    requestPolicy: 'cache-and-network',
  });
  const [messages] = useMessageSearchQuery({
    variables: { query, first: 30, after: null },
    requestPolicy: 'cache-and-network',
  });
  const named = titles.data?.conversations.edges ?? [];
  const hits = messages.data?.messageSearch.edges ?? [];
  const nothing = named.length === 0 && hits.length === 0;
  return (
    <section className="chat-shelves" aria-busy={titles.fetching || messages.fetching}>
      <ProblemNotice problem={problemOf(t, titles.error ?? messages.error)} />
      <ul>
        {named.map(({ node }) => (
          <li key={node.id} className="row">
            <Link className="row-title" href={conversationPath(node.id)}>
              <span className="row-name">{node.title || node.topic || t.chat.untitled}</span>
            </Link>
          </li>
        ))}
      </ul>
      {messages.data && (
        <p className="quiet" role="status">
          {nothing ? t.chat.nothingFound(query) : t.chat.found(hits.length, query)}
        </p>
      )}
      <ul>
        {hits.map(({ node }) => (
          <li key={node.message.id} className="chat-hit">
            <Link href={`${conversationPath(node.conversation.id)}?message=${encodeURIComponent(node.message.id)}`}>
              {node.conversation.title || node.conversation.topic || t.chat.untitled}
            </Link>
            <p className="hit-snippet">
              <Marked snippet={node.snippet} />
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The API puts the words that were sought between « and ». */
function Marked({ snippet }: { snippet: string }) {
  return snippet.split(/«([^»]*)»/).map((part, index) => (index % 2 ? <mark key={index}>{part}</mark> : part));
}
