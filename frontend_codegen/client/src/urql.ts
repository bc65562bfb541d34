/** Hooks for React: one per operation, and `useTokenStream` for a chapter being written. */
import {
  createContext,
  createElement,
  type ReactNode,
  type RefCallback,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
} from 'react';
import { Provider } from 'urql';

import type { FabulaClient } from './client.js';
import { createTokenStream, type TokenStreamView } from './token-stream.js';

export * from './generated/hooks.js';

const FabulaContext = createContext<FabulaClient | null>(null);

/** Gives the hooks of this module, and urql's own, their client. */
export function FabulaProvider({ client, children }: { client: FabulaClient; children: ReactNode }) {
  return createElement(
    FabulaContext.Provider,
    { value: client },
    createElement(Provider, { value: client.urql }, children),
  );
}

export function useFabula(): FabulaClient {
  const client = useContext(FabulaContext);
  if (!client) throw new Error('Wrap the tree in a FabulaProvider.');
  return client;
}

export interface TokenStreamResult extends TokenStreamView {
  /** For the element that shows the text; it must have no React children. */
  ref: RefCallback<HTMLElement>;
  /** The text so far, without a render. */
  getText: () => string;
}

/**
 * Watch a generation: from its beginning when the page opens, without a gap when the connection drops.
 *
 * The text goes to the element that `ref` is on, once per frame; the view renders when anything else changes, and a
 * few times a second while text arrives.
 */
export function useTokenStream(generationId: string | null): TokenStreamResult {
  const client = useFabula();
  const stream = useMemo(() => createTokenStream(client, generationId), [client, generationId]);
  useEffect(() => stream.start(), [stream]);
  const view = useSyncExternalStore(stream.subscribe, stream.getView);
  return useMemo(() => ({ ...view, ref: stream.painter.attach, getText: stream.getText }), [view, stream]);
}
