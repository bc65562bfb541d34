import { stringifyDocument } from '@urql/core';
import type { Client as SocketClient } from 'graphql-ws';

import type { Credentials } from './credentials.js';
import { GenerationEventsDocument, type GenerationEventsSubscription } from './generated/graphql.js';
import { subscribeResumable } from './resume.js';
import { closeCode, retryWait } from './socket.js';
import { type GenerationEvent, initialStreamState, reduceStream, type StreamState } from './stream.js';
import { createTrustedDocuments } from './trusted.js';

export interface WatchSink {
  /** After every event that changed something. */
  next(state: StreamState, event: GenerationEvent): void;
  /** The stream cannot be watched: a GraphQL error, or a connection that the server refuses for good. */
  error(error: Error): void;
  /** After the terminal event. */
  complete(): void;
}

/**
 * Follow one generation to its terminal event, over any number of connections.
 *
 * The socket resumes a lost connection. What is left to do here: a stream that completes without its terminal event
 * (a server that shuts down) is subscribed again from the cursor, and a refused token is renewed once.
 */
export function watchGeneration(
  socket: Pick<SocketClient, 'subscribe'>,
  credentials: Pick<Credentials, 'renew'>,
  id: string,
  sink: WatchSink,
  trusted = createTrustedDocuments(false),
): () => void {
  let state = initialStreamState;
  let unsubscribe: (() => void) | null = null;
  let stopped = false;
  let retries = 0;
  let renewed = false;

  const fail = (error: Error) => {
    stopped = true;
    unsubscribe?.();
    sink.error(error);
  };
  const again = async () => {
    await retryWait(retries++);
    if (!stopped) open();
  };
  const refused = async () => {
    if (renewed || !(await credentials.renew())) return fail(new Error('UNAUTHENTICATED'));
    renewed = true;
    if (!stopped) open();
  };
  const open = () => {
    const query = stringifyDocument(GenerationEventsDocument);
    const variables = { id, after: state.cursor };
    unsubscribe = subscribeResumable<GenerationEventsSubscription>(
      socket,
      { operationName: 'GenerationEvents', query, variables },
      {
        next({ data, errors }) {
          if (stopped) return;
          if (errors?.length) return void (isUnauthenticated(errors) ? refused() : fail(asError(errors)));
          if (!data) return;
          const next = reduceStream(state, data.generationEvents);
          if (next === state) return;
          state = next;
          retries = 0;
          renewed = false;
          sink.next(state, data.generationEvents);
        },
        error(reason) {
          if (stopped) return;
          if (closeCode(reason) === 4401 || isUnauthenticated(reason)) void refused();
          else fail(asError(reason));
        },
        complete() {
          if (stopped) return;
          if (state.terminal) sink.complete();
          else void again();
        },
      },
      { trusted, document: GenerationEventsDocument },
    );
  };
  open();
  return () => {
    stopped = true;
    unsubscribe?.();
  };
}

function isUnauthenticated(reason: unknown): boolean {
  if (!Array.isArray(reason)) return false;
  return reason.some((error: { extensions?: { code?: string } }) => error.extensions?.code === 'UNAUTHENTICATED');
}

/** GraphQL errors come as a list, a closed socket as a close event. */
function asError(reason: unknown): Error {
  if (reason instanceof Error) return reason;
  const { message, reason: closeReason } = ((Array.isArray(reason) ? reason[0] : reason) ?? {}) as Record<
    string,
    string
  >;
  return new Error(message || closeReason || 'The stream was closed.');
}
