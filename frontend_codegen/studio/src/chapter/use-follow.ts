import { useEffect, useRef } from 'react';

const NEAR_PX = 120;

/**
 * Keeps the end of a growing text in view, as long as the reader is there. Scrolling up lets go; scrolling back to the
 * end takes hold again. Put the ref on an empty element behind the text.
 */
export function useFollow(length: number, active: boolean) {
  const end = useRef<HTMLDivElement>(null);
  const following = useRef(true);

  useEffect(() => {
    // Captured, because it is the page that scrolls on wide screens and the document on narrow ones.
    const onScroll = () => {
      const top = end.current?.getBoundingClientRect().top ?? 0;
      following.current = top < window.innerHeight + NEAR_PX;
    };
    addEventListener('scroll', onScroll, { capture: true, passive: true });
    return () => removeEventListener('scroll', onScroll, { capture: true });
  }, []);
  useEffect(() => {
    if (active && following.current) end.current?.scrollIntoView({ block: 'nearest' });
  }, [length, active]);
  return end;
}
