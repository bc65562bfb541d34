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
  const conversation = data?.conversation?.id === id ? data.conversation : null;
  useConversationEvents(id, conversation?.eventsCursor ?? null, () => {
    refetch();
    changed();
  });
  const hasEarlier = last < MOST && Boolean(conversation?.activePath[0]?.parentId);
  const earlier = hasEarlier ? () => setLast((before) => Math.min(before + PAGE, MOST)) : null;
  const all = hasEarlier ? () => setLast(MOST) : null;
  return { conversation, missing: data?.conversation === null, error, busy: fetching || stale, refetch, earlier, all };
}

/** Calls after events, once for those that come together. They begin where the conversation was read first. */
function useConversationEvents(id: string, after: string | null, changed: () => void) {
  const { urql } = useFabula();
  const latest = useRef(changed);
  latest.current = changed;
  const read = after !== null;
  useEffect(() => {
    if (!read) return;
    let timer: ReturnType<typeof setTimeout> | null = null;
    const { unsubscribe } = urql.subscription(ConversationEventsDocument, { id, after }).subscribe(({ data }) => {
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
    // A later cursor changes nothing: whoever listens has heard what lies between.
  }, [urql, id, read]);
}
