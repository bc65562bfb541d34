/** Unsaved text survives a closed tab: it is kept in this browser with the version it was made from. */
import { useEffect } from 'react';

export interface Unsaved {
  text: string;
  base: string | null;
}

const DELAY_MS = 400;
const keyOf = (chapterId: string) => `fabula.unsaved.${chapterId}`;

export function readUnsaved(chapterId: string): Unsaved | null {
  const stored = localStorage.getItem(keyOf(chapterId));
  return stored ? (JSON.parse(stored) as Unsaved) : null;
}

export const forgetUnsaved = (chapterId: string) => localStorage.removeItem(keyOf(chapterId));

export function useKeepUnsaved(chapterId: string, { text, base }: Unsaved, dirty: boolean): void {
  useEffect(() => {
    if (!dirty) return forgetUnsaved(chapterId);
    const keep = () => localStorage.setItem(keyOf(chapterId), JSON.stringify({ text, base } satisfies Unsaved));
    const timer = setTimeout(keep, DELAY_MS);
    addEventListener('pagehide', keep);
    return () => {
      clearTimeout(timer);
      removeEventListener('pagehide', keep);
    };
  }, [chapterId, text, base, dirty]);
}
