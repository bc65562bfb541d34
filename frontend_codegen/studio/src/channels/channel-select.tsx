import { useChannelsQuery } from '@fabula/client/urql';

import { useTranslation } from '../i18n/context';

interface ChannelSelectProps {
  id?: string;
  value: string;
  onChange: (id: string) => void;
}

/** Which channel is to be taken; the usual one without. */
export function ChannelSelect({ id, value, onChange }: ChannelSelectProps) {
  const { t } = useTranslation();
  const [{ data }] = useChannelsQuery();
  const channels = (data?.channels.edges ?? []).map((edge) => edge.node);
  const standard = channels.find((channel) => channel.isDefault);
  return (
    <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">{standard ? `${standard.name} · ${standard.models[0]?.name}` : t.generate.standard}</option>
      {channels
        .filter((channel) => channel !== standard)
        .map((channel) => (
          <option key={channel.id} value={channel.id}>
            {channel.name} · {channel.models[0]?.name}
          </option>
        ))}
    </select>
  );
}
