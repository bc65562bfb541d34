import { ConversationsDocument } from '@fabula/client';
import { useConversationGroupsQuery, useConversationsQuery, useFabula } from '@fabula/client/urql';
import { useCallback, useEffect, useState } from 'react';

import { CONVERSATION_CONTEXT } from '../api';
import type { ConversationRow } from './model';

const PAGE = 50;

/** The newest conversations and every pinned one, and a way to read on to older ones. `stamp` changes when they may have. */
export function useConversations(stamp: number) {
  const { urql } = useFabula();
  const [first, againFirst] = useConversationsQuery({
    variables: { first: PAGE, after: null, filter: { pinned: false } },
    context: CONVERSATION_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const [pinned, againPinned] = useConversationsQuery({
    variables: { first: 100, after: null, filter: { pinned: true } },
    context: CONVERSATION_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const [groups] = useConversationGroupsQuery({ context: CONVERSATION_CONTEXT });
  const [older, setOlder] = useState<{ rows: ConversationRow[]; next: string | null } | null>(null);
  const refresh = useCallback(() => {
    againFirst({ requestPolicy: 'network-only' });
    againPinned({ requestPolicy: 'network-only' });
  }, [againFirst, againPinned]);
  useEffect(() => {
    if (stamp > 0) refresh();
  }, [stamp, refresh]);
  // What comes later than the first page has moved when that page has: it is read anew when it is asked for.
  useEffect(() => setOlder(null), [first.data]);

  const page = first.data?.conversations;
  const next = older ? older.next : page?.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null;
  const more = async () => {
    const variables = { first: PAGE, after: next, filter: { pinned: false } };
    const { data } = await urql.query(ConversationsDocument, variables, { requestPolicy: 'network-only' }).toPromise();
    if (!data) return;
    const { edges, pageInfo } = data.conversations;
    setOlder((before) => ({
      rows: [...(before?.rows ?? []), ...edges.map(({ node }) => node)],
      next: pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null,
    }));
  };
  const edges = [...(pinned.data?.conversations.edges ?? []), ...(page?.edges ?? [])];
  return {
    rows: page ? [...edges.map(({ node }) => node), ...(older?.rows ?? [])] : null,
    groups: groups.data?.conversationGroups ?? [],
    error: first.error ?? pinned.error ?? groups.error,
    refresh,
    more: next === null ? null : () => void more(),
  };
}
