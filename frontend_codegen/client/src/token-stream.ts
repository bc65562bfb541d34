import type { FabulaClient } from './client.js';
import { createTextPainter, type TextPainter } from './painter.js';
import { initialStreamState, type StreamState } from './stream.js';

/** What a view renders: everything but the text, which the painter shows. */
export interface TokenStreamView extends Omit<StreamState, 'text'> {
  readonly status: 'idle' | 'connecting' | 'live' | 'reconnecting' | 'ended' | 'error';
  /** Characters so far. */
  readonly length: number;
  readonly error: Error | null;
}

export interface TokenStream {
  readonly painter: TextPainter;
  getText(): string;
  getView(): TokenStreamView;
  subscribe(listener: () => void): () => void;
  start(): () => void;
}

/** While only text arrives, views are told this often; anything else they hear of at once. */
const TEXT_TICK_MS = 250;

/** One generation being watched, free of any framework: a store of `TokenStreamView` and a painter for its text. */
export function createTokenStream(client: FabulaClient, generationId: string | null): TokenStream {
  const painter = createTextPainter();
  const listeners = new Set<() => void>();
  let state = initialStreamState;
  let view = viewOf(state, generationId ? 'connecting' : 'idle', null);
  let tick: ReturnType<typeof setTimeout> | null = null;

  const publish = (status: TokenStreamView['status'], error: Error | null = null) => {
    if (tick) clearTimeout(tick);
    tick = null;
    view = viewOf(state, status, error);
    listeners.forEach((listener) => listener());
  };
  const start = () => {
    if (!generationId) return () => undefined;
    const unlisten = client.onConnection((connected) => {
      if (view.status === 'ended' || view.status === 'error') return;
      publish(connected ? 'live' : state.seq ? 'reconnecting' : 'connecting');
    });
    const stop = client.watchGeneration(generationId, {
      next(next, event) {
        state = next;
        painter.show(state.text);
        if (event.__typename !== 'TextDelta') publish(state.terminal ? 'ended' : 'live');
        else tick ??= setTimeout(() => publish('live'), TEXT_TICK_MS);
      },
      error: (error) => publish('error', error),
      complete: () => publish('ended'),
    });
    return () => {
      unlisten();
      stop();
      if (tick) clearTimeout(tick);
      tick = null;
    };
  };
  return {
    painter,
    getText: () => state.text,
    getView: () => view,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    start,
  };
}

function viewOf(
  { text, ...rest }: StreamState,
  status: TokenStreamView['status'],
  error: Error | null,
): TokenStreamView {
  return { ...rest, status, error, length: text.length };
}
