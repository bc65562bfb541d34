import type { Client as SocketClient, FormattedExecutionResult, Sink, SubscribePayload } from 'graphql-ws';

type Data = Record<string, unknown>;

/**
 * Subscribe so that a dropped connection resumes without a gap or a repeat.
 *
 * graphql-ws sends the same payload object again after it reconnects, so moving its `after` variable to the cursor of
 * each result is enough: the server starts exactly behind the last event that arrived. Events whose `seq` does not
 * grow are repeats and are dropped. Operations without `$after` pass through unchanged.
 */
export function subscribeResumable<T extends object = Data>(
  socket: Pick<SocketClient, 'subscribe'>,
  request: SubscribePayload,
  sink: Sink<FormattedExecutionResult<T>>,
): () => void {
  const variables: Data = { ...request.variables };
  const resumable = /\$after\b/.test(request.query ?? '') || 'after' in variables;
  let last = 0;
  return socket.subscribe<Data>(
    { ...request, variables },
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
      error: (error) => sink.error(error),
      complete: () => sink.complete(),
    },
  );
}

/** The position of the one root field of a subscription's result, when it is a stream event. */
function positionOf(data: Data | null | undefined): { seq: number; cursor: string } | null {
  for (const event of Object.values(data ?? {})) {
    const { seq, cursor } = (event ?? {}) as { seq?: unknown; cursor?: unknown };
    if (typeof seq === 'number' && typeof cursor === 'string') return { seq, cursor };
  }
  return null;
}
