import type { ChannelTestMutation } from '@fabula/client';
import { useChannelTestMutation, useChannelUpdateMutation } from '@fabula/client/urql';
import { useState } from 'react';

import { formatClock, formatCount, formatMilliseconds, formatMoney } from '../format';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import type { Channel } from './model';

interface ChannelRowProps {
  channel: Channel;
  mayManage: boolean;
  onEdit: () => void;
  onDelete: () => void;
}

export function ChannelRow({ channel, mayManage, onEdit, onDelete }: ChannelRowProps) {
  const { t } = useTranslation();
  const [tested, setTested] = useState<Tested | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  return (
    <li className="channel">
      <article aria-label={channel.name}>
        <h2 className="channel-name">
          {channel.name}
          {channel.isDefault && <span className="badge">{t.channels.standard}</span>}
          {channel.platform && <span className="badge">{t.channels.platform}</span>}
        </h2>
        <p className={`channel-status channel-status-${channel.status.toLowerCase().replace('_', '-')}`}>
          {t.channels.statuses[channel.status]}
        </p>
        <Figures channel={channel} />
        <Health channel={channel} />
        <Use channel={channel} />
        <ProblemNotice problem={problem} />
        {tested && <Result tested={tested} />}
      </article>
      {mayManage && !channel.platform && (
        <Actions channel={channel} {...{ onEdit, onDelete }} onTested={setTested} onProblem={setProblem} />
      )}
    </li>
  );
}

function Figures({ channel }: { channel: Channel }) {
  const { t, language } = useTranslation();
  const parts = [
    t.channels.providers[channel.provider],
    channel.models.map((model) => model.name).join(t.channels.listSeparator),
    t.channels.weightIs(formatCount(channel.weight, language)),
    t.channels.priorityIs(formatCount(channel.priority, language)),
  ];
  return <p className="channel-figures">{parts.join(' · ')}</p>;
}

function Health({ channel: { health } }: { channel: Channel }) {
  const { t, language } = useTranslation();
  const untried = health.state === 'HEALTHY' && health.firstTokenMs === null && health.lastError === null;
  const parts = [
    untried ? t.channels.untried : t.channels.health[health.state],
    health.firstTokenMs !== null && t.channels.firstToken(formatMilliseconds(health.firstTokenMs, language)),
    health.lastError !== null && t.channels.lastError(t.routing.outcomes[health.lastError] ?? health.lastError),
    health.openUntil !== null && t.channels.triedAgain(formatClock(health.openUntil, language)),
  ];
  return (
    <p className="channel-health" data-state={health.state}>
      {parts.filter(Boolean).join(' · ')}
    </p>
  );
}

/** What the studio used of it lately: nothing where nothing was, or for those it is not shown to. */
function Use({ channel: { statistics } }: { channel: Channel }) {
  const { t, language } = useTranslation();
  if (!statistics?.calls) return null;
  const parts = [
    t.channels.calls(statistics.calls, formatCount(statistics.calls, language)),
    t.channels.tokens(formatCount(statistics.inputTokens, language), formatCount(statistics.outputTokens, language)),
    statistics.cost && formatMoney(statistics.cost, language),
  ];
  return <p className="channel-figures">{t.channels.lately(parts.filter(Boolean).join(t.channels.listSeparator))}</p>;
}

type Tested = ChannelTestMutation['channelTest'];

interface ActionsProps {
  channel: Channel;
  onEdit: () => void;
  onDelete: () => void;
  onTested: (tested: Tested | null) => void;
  onProblem: (problem: Problem | null) => void;
}

function Actions({ channel, onEdit, onDelete, onTested, onProblem }: ActionsProps) {
  const { t } = useTranslation();
  const [testing, test] = useChannelTestMutation();
  const [switching, update] = useChannelUpdateMutation();
  const onTest = async () => {
    onTested(null);
    const { data, error } = await test({ input: { id: channel.id } });
    const refused = problemOf(t, error, data?.channelTest.userErrors);
    onProblem(refused);
    if (data && !refused) onTested(data.channelTest);
  };
  const onSwitch = async () => {
    const { data, error } = await update({ input: { id: channel.id, enabled: !channel.enabled } });
    onProblem(problemOf(t, error, data?.channelUpdate.userErrors));
  };
  return (
    <div className="channel-actions" role="group" aria-label={t.channels.actions(channel.name)}>
      <Button busy={testing.fetching} onClick={() => void onTest()}>
        {testing.fetching ? t.channels.testing : t.channels.test}
      </Button>
      <Button busy={switching.fetching} onClick={() => void onSwitch()}>
        {channel.enabled ? t.channels.switchOff : t.channels.switchOn}
      </Button>
      <Menu
        label={t.channels.more(channel.name)}
        trigger={<Icon name="more" />}
        items={[
          { label: t.channels.edit, onSelect: onEdit },
          { label: t.common.delete, onSelect: onDelete, danger: true },
        ]}
      />
    </div>
  );
}

function Result({ tested }: { tested: Tested }) {
  const { t, language } = useTranslation();
  const time = (ms: number | null) => (ms === null ? '–' : formatMilliseconds(ms, language));
  const code = tested.errorCode ?? '';
  return (
    <div className={tested.ok ? 'notice' : 'notice notice-problem'} role="status">
      <p>
        {tested.ok
          ? t.channels.answered(time(tested.firstTokenMs), time(tested.totalMs))
          : t.channels.failed(t.generate.failures[code] ?? tested.errorMessage ?? code)}
        {tested.text && <q className="channel-answer">{tested.text}</q>}
      </p>
    </div>
  );
}
