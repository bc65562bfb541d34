import { UsageMeterDocument } from '@fabula/client';
import { useFabula } from '@fabula/client/urql';
import { useEffect, useRef } from 'react';

/** Calls whenever something was booked since the page asked. The first event says what the page has just read. */
export function useUsageMeter(on: boolean, booked: () => void) {
  const { urql } = useFabula();
  const latest = useRef(booked);
  latest.current = booked;
  useEffect(() => {
    if (!on) return;
    let first = true;
    const { unsubscribe } = urql.subscription(UsageMeterDocument, {}).subscribe(({ data }) => {
      if (!data) return;
      if (!first) latest.current();
      first = false;
    });
    return unsubscribe;
  }, [urql, on]);
}
