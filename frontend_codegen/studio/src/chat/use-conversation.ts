import { ConversationEventsDocument } from '@fabula/client';
import { useConversationQuery, useFabula } from '@fabula/client/urql';
import { useCallback, useEffect, useRef, useState } from 'react';

import { MESSAGE_CONTEXT } from '../api';

const PAGE = 100;
const MOST = 1000;
const GATHER_MS = 120;

/** One conversation as it is now, whichever page or window changes it. */
export function useConversation(id: string, changed: () => void) {
  const [last, setLast] = useState(PAGE);
  const [{ data, error, fetching, stale }, again] = useConversationQuery({
    variables: { id, last },
    context: MESSAGE_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const refetch = useCallback(() => again({ requestPolicy: 'network-only' }), [again]);
  useConversationEvents(id, () => {
    refetch();
    changed();
  });
  const conversation = data?.conversation?.id === id ? data.conversation : null;
  const hasEarlier = last < MOST && Boolean(conversation?.activePath[0]?.parentId);
  const earlier = hasEarlier ? () => setLast((before) => Math.min(before + PAGE, MOST)) : null;
  const all = hasEarlier ? () => setLast(MOST) : null;
  return { conversation, missing: data?.conversation === null, error, busy: fetching || stale, refetch, earlier, all };
}

/** Calls after events, once for those that come together: a feed begins with what was before. */
function useConversationEvents(id: string, changed: () => void) {
  const { urql } = useFabula();
  const latest = useRef(changed);
  latest.current = changed;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const { unsubscribe } = urql.subscription(ConversationEventsDocument, { id }).subscribe(({ data }) => {
      if (!data) return;
      timer ??= setTimeout(() => {
        timer = null;
        latest.current();
      }, GATHER_MS);
    });
    return () => {
      unsubscribe();
      if (timer) clearTimeout(timer);
    };
  }, [urql, id]);
}
