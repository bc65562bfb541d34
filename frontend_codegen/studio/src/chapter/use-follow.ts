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
    const scroller = end.current?.closest<HTMLElement>('[data-scroller]');
    if (!scroller) return;
    const onScroll = () => {
      following.current = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
    };
    scroller.addEventListener('scroll', onScroll, { passive: true });
    return () => scroller.removeEventListener('scroll', onScroll);
  }, []);
  useEffect(() => {
    if (active && following.current) end.current?.scrollIntoView({ block: 'nearest' });
  }, [length, active]);
  return end;
}
