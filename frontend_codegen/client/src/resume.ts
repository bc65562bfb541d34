import type { Client as SocketClient, FormattedExecutionResult, Sink, SubscribePayload } from 'graphql-ws';

import { persistedQuery, type TrustedDocuments } from './trusted.js';

type Data = Record<string, unknown>;

/**
 * Subscribe so that a dropped connection resumes without a gap or a repeat.
 *
 * graphql-ws sends the same payload object again after it reconnects, so moving its `after` variable to the cursor of
 * each result is enough: the server starts exactly behind the last event that arrived. Events whose `seq` does not
 * grow are repeats and are dropped. Operations without `$after` pass through unchanged.
 *
 * With `source`, the document's hash is sent in place of its text as long as the server knows it.
 */
export function subscribeResumable<T extends object = Data>(
  socket: Pick<SocketClient, 'subscribe'>,
  request: SubscribePayload,
  sink: Sink<FormattedExecutionResult<T>>,
  source?: { trusted: TrustedDocuments; document: object },
): () => void {
  const variables: Data = { ...request.variables };
  const resumable = /\$after\b/.test(request.query ?? '') || 'after' in variables;
  let last = 0;
  const open = (hash: string | null): (() => void) =>
    socket.subscribe<Data>(
      { ...request, variables, ...(hash !== null && persistedQuery(hash)) },
      {
        next(result) {
          const position = resumable ? positionOf(result.data) : null;
          if (position) {
            if (position.seq <= last) return;
            last = position.seq;
            variables.after = position.cursor;
          }
          sink.next(result as FormattedExecutionResult<T>);
        },
        error(error) {
          if (hash !== null && source?.trusted.isUnknown(hash, error)) close = open(null);
          else sink.error(error);
        },
        complete: () => sink.complete(),
      },
    );
  let close = open(source ? source.trusted.hashOf(source.document) : null);
  return () => close();
}

/** The position of the one root field of a subscription's result, when it is a stream event. */
function positionOf(data: Data | null | undefined): { seq: number; cursor: string } | null {
  for (const event of Object.values(data ?? {})) {
    const { seq, cursor } = (event ?? {}) as { seq?: unknown; cursor?: unknown };
    if (typeof seq === 'number' && typeof cursor === 'string') return { seq, cursor };
  }
  return null;
}
