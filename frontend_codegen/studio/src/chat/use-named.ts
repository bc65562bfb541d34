import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useLocation, useSearch } from 'wouter';

import { conversationPath } from '../links';
import type { Problem } from '../problems';
import type { Conversation } from './model';

interface Finding {
  conversation: Conversation;
  /** What is shown may be out of date. */
  busy: boolean;
  /** Reads the whole path; nothing once it has been read. */
  all: (() => void) | null;
  switchTo: (messageId: string) => Promise<Problem | null>;
}

/**
 * Shows the message that the address names, once: further up on this path, or on another one.
 *
 * Without one the page stands at the newest message, and goes along with what is said.
 */
export function useNamed({ conversation, busy, all, switchTo }: Finding) {
  const [, navigate] = useLocation();
  const named = new URLSearchParams(useSearch()).get('message');
  const { id, activePath } = conversation;
  const here = activePath.some((message) => message.id === named);
  const newest = activePath.at(-1)?.id ?? null;
  const scroller = useRef<HTMLDivElement>(null);
  const sought = useRef<string | null>(null);
  const [found, setFound] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useLayoutEffect(() => {
    if (!named && scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
    // Only what is new moves the page.
  }, [newest]);
  useEffect(() => {
    if (!named) sought.current = null;
    else if (here) {
      document.getElementById(named)?.scrollIntoView({ block: 'center' });
      setFound(named);
      setProblem(null);
      navigate(conversationPath(id), { replace: true });
    } else if (busy) return;
    else if (all) all();
    else if (sought.current !== named) {
      sought.current = named;
      void switchTo(named).then(setProblem);
    }
    // The functions are new with every render and always mean the same.
  }, [named, here, busy, all === null]);
  return { scroller, found, problem };
}
