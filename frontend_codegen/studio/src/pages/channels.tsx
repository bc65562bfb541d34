import { useEffect, useState } from 'react';

import { ChannelDialog, DeleteChannelDialog } from '../channels/channel-dialogs';
import { ChannelRow } from '../channels/channel-row';
import type { Channel } from '../channels/model';
import { Policy } from '../channels/policy-form';
import { useChannels } from '../channels/use-channels';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { useMayManage } from '../shell/use-may-manage';
import { Button } from '../ui/button';
import { ProblemNotice } from '../ui/notice';

/** What is open above the list. */
type Open = { kind: 'add' } | { kind: 'edit' | 'delete'; channel: Channel };

export function ChannelsPage() {
  const { t } = useTranslation();
  const mayManage = useMayManage();
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  useEffect(() => {
    document.title = `${t.channels.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [t]);
  return (
    <Shell>
      <main className="shelf" id="main">
        <header className="shelf-head">
          <h1>{t.channels.title}</h1>
          {mayManage && (
            <Button look="primary" icon="plus" onClick={() => setOpen({ kind: 'add' })}>
              {t.channels.add}
            </Button>
          )}
        </header>
        <p className="quiet">{mayManage ? t.channels.about : t.channels.readOnly}</p>
        <ChannelList mayManage={mayManage} onOpen={setOpen} />
        <Policy mayManage={mayManage} />
        {open?.kind === 'add' && <ChannelDialog channel={null} onClose={close} />}
        {open?.kind === 'edit' && <ChannelDialog channel={open.channel} onClose={close} />}
        {open?.kind === 'delete' && <DeleteChannelDialog channel={open.channel} onClose={close} />}
      </main>
    </Shell>
  );
}

function ChannelList({ mayManage, onOpen }: { mayManage: boolean; onOpen: (open: Open) => void }) {
  const { t } = useTranslation();
  const { channels, error, fetching, again } = useChannels();
  return (
    <>
      <ProblemNotice problem={problemOf(t, error)}>
        <Button onClick={() => again({ requestPolicy: 'network-only' })}>{t.common.retry}</Button>
      </ProblemNotice>
      {fetching && !channels && <p className="quiet">{t.common.loading}</p>}
      {channels?.length === 0 && <p className="empty">{t.channels.empty}</p>}
      <ul className="channels">
        {channels?.map((channel) => (
          <ChannelRow
            key={channel.id}
            channel={channel}
            mayManage={mayManage}
            onEdit={() => onOpen({ kind: 'edit', channel })}
            onDelete={() => onOpen({ kind: 'delete', channel })}
          />
        ))}
      </ul>
    </>
  );
}
