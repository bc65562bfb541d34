import { ChannelHealthDocument } from '@fabula/client';
import { useChannelListQuery, useFabula } from '@fabula/client/urql';
import { useEffect, useMemo, useState } from 'react';

import { CHANNEL_CONTEXT } from '../api';
import { type LiveChannel, nextTry, withLive } from './model';

/** The channels as they are now: the list, and what the events since have said of their health. */
export function useChannels() {
  const [{ data, error, fetching }, again] = useChannelListQuery({
    context: CHANNEL_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const live = useLiveHealth(data);
  const channels = useMemo(
    () => data?.channels.edges.map(({ node }) => withLive(node, live.get(node.id))) ?? null,
    [data, live],
  );
  useRefreshAt(channels && nextTry(channels), () => again({ requestPolicy: 'network-only' }));
  return { channels, error, fetching, again };
}

const SILENCE: ReadonlyMap<string, LiveChannel> = new Map();

/** What has been heard since the list was read: a list that comes later knows more. */
function useLiveHealth(list: unknown): ReadonlyMap<string, LiveChannel> {
  const { urql } = useFabula();
  const [heard, setHeard] = useState(SILENCE);
  useEffect(() => setHeard(SILENCE), [list]);
  useEffect(() => {
    const { unsubscribe } = urql.subscription(ChannelHealthDocument, {}).subscribe(({ data }) => {
      const channel = data?.channelHealth.channel;
      if (channel) setHeard((before) => new Map(before).set(channel.id, channel));
    });
    return unsubscribe;
  }, [urql]);
  return heard;
}

/** That a channel may be tried again is only a matter of time, so no event tells of it. */
function useRefreshAt(time: number | null, refresh: () => void) {
  useEffect(() => {
    if (time === null) return;
    const timer = setTimeout(refresh, Math.max(time - Date.now(), 0) + GRACE_MS);
    return () => clearTimeout(timer);
    // `refresh` is new with every render and always means the same.
  }, [time]);
}

const GRACE_MS = 1000;
