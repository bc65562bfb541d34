import { DocumentProgressDocument, KnowledgeBaseDocument } from '@fabula/client';
import { useFabula, useKnowledgeBaseQuery } from '@fabula/client/urql';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

import { KNOWLEDGE_CONTEXT } from '../api';
import { type BaseDocument, isSettled, type Progress, withProgress } from './model';

const PAGE = 50;
const GATHER_MS = 120;
const SILENCE: ReadonlyMap<string, Progress> = new Map();

/** A base and its documents as they are now. */
export function useBase(id: string) {
  const { urql } = useFabula();
  const [{ data, error, fetching }, again] = useKnowledgeBaseQuery({
    variables: { id, first: PAGE, after: null },
    context: KNOWLEDGE_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const refetch = useCallback(() => again({ requestPolicy: 'network-only' }), [again]);
  const [older, setOlder] = useState<{ documents: BaseDocument[]; next: string | null } | null>(null);
  useEffect(() => setOlder(null), [data]);
  const base = data?.knowledgeBase?.__typename === 'KnowledgeBase' ? data.knowledgeBase : null;
  const heard = useProgress(id, base?.eventsCursor ?? null, data, refetch);
  const page = base?.documents;
  const next = older ? older.next : page?.pageInfo.hasNextPage ? (page.pageInfo.endCursor ?? null) : null;
  const more = async () => {
    const options = { requestPolicy: 'network-only' } as const;
    const answer = await urql.query(KnowledgeBaseDocument, { id, first: PAGE, after: next }, options).toPromise();
    const found = answer.data?.knowledgeBase;
    if (found?.__typename !== 'KnowledgeBase') return;
    const { edges, pageInfo } = found.documents;
    setOlder((before) => ({
      documents: [...(before?.documents ?? []), ...edges.map(({ node }) => node)],
      next: pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null,
    }));
  };
  const documents = useMemo(() => {
    const all = [...(page?.edges ?? []).map(({ node }) => node), ...(older?.documents ?? [])];
    return all.map((document) => withProgress(document, heard.get(document.id)));
  }, [page, older, heard]);
  return { base, documents, error, fetching, refetch, more: next === null ? null : () => void more() };
}

/** What has been heard since the list was read. Events come in bursts. */
function useProgress(
  id: string,
  after: string | null,
  list: unknown,
  refetch: () => void,
): ReadonlyMap<string, Progress> {
  const { urql } = useFabula();
  const [heard, setHeard] = useState(SILENCE);
  const latest = useRef(refetch);
  latest.current = refetch;
  useEffect(() => setHeard(SILENCE), [list]);
  const read = after !== null;
  useEffect(() => {
    if (!read) return;
    let waiting = new Map<string, Progress>();
    let reread = false;
    let timer: ReturnType<typeof setTimeout> | null = null;
    const tell = () => {
      timer = null;
      const told = waiting;
      waiting = new Map();
      setHeard((before) => new Map([...before, ...told]));
      if (reread) latest.current();
      reread = false;
    };
    const { unsubscribe } = urql
      .subscription(DocumentProgressDocument, { knowledgeBaseId: id, after })
      .subscribe(({ data }) => {
        const event = data?.documentProgress;
        if (!event) return;
        if (event.__typename === 'DocumentProgressed') {
          const { state, progress, chunkCount, errorCode, errorMessage } = event;
          waiting.set(event.documentId, { state, progress, chunkCount, errorCode, errorMessage });
          if (isSettled(state) || state === 'PENDING') reread = true;
        } else reread = true;
        timer ??= setTimeout(tell, GATHER_MS);
      });
    return () => {
      unsubscribe();
      if (timer) clearTimeout(timer);
    };
    // A later cursor changes nothing: whoever listens has heard what lies between.
  }, [urql, id, read]);
  return heard;
}
