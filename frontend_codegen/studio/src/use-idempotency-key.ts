import { useRef } from 'react';

import { randomKey } from './api';

/** Pressing again after an answer was lost on the way must not do it twice: the same request keeps its key. */
export function useIdempotencyKey<I extends { idempotencyKey: string }>() {
  const last = useRef<{ body: string; key: string } | null>(null);
  return {
    add: (request: Omit<I, 'idempotencyKey'>): Omit<I, 'idempotencyKey'> & { idempotencyKey: string } => {
      const body = JSON.stringify(request);
      if (last.current?.body !== body) last.current = { body, key: randomKey() };
      return { ...request, idempotencyKey: last.current.key };
    },
    forget: () => {
      last.current = null;
    },
  };
}
