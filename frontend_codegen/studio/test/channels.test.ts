import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  type Channel,
  channelDraftOf,
  createInputOf,
  holdsMore,
  type LiveChannel,
  nextTry,
  policyDraftOf,
  policyInputOf,
  type StoredPolicy,
  updateInputOf,
  withLive,
} from '../src/channels/model.js';

const healthy: Channel['health'] = {
  __typename: 'ChannelHealth',
  state: 'HEALTHY',
  openUntil: null,
  firstTokenMs: 300,
  lastError: null,
};
const open: Channel['health'] = {
  ...healthy,
  state: 'OPEN',
  openUntil: '2030-01-01T00:00:30Z',
  lastError: 'UNREACHABLE',
};
const channel: Channel = {
  __typename: 'Channel',
  id: 'c1',
  name: 'House',
  provider: 'OPENAI_COMPATIBLE',
  models: [
    {
      __typename: 'ChannelModel',
      name: 'writer',
      upstream: 'writer-v2',
      contextWindow: 9000,
      maxOutputTokens: null,
      modalities: ['TEXT'],
      tokenizer: null,
    },
    {
      __typename: 'ChannelModel',
      name: 'old',
      upstream: 'old',
      contextWindow: 4000,
      maxOutputTokens: 100,
      modalities: ['TEXT'],
      tokenizer: null,
    },
  ],
  isDefault: false,
  baseUrl: 'https://models.example/v1',
  groups: ['eu', 'cheap'],
  region: 'eu-1',
  weight: 3,
  priority: -2,
  requestsPerMinute: 60,
  tokensPerMinute: null,
  concurrency: 4,
  enabled: true,
  hasKey: true,
  platform: false,
  status: 'ON',
  health: healthy,
  statistics: null,
};
const heard = (change: Partial<LiveChannel>): LiveChannel => ({
  __typename: 'Channel',
  id: 'c1',
  status: 'OFF_AUTO',
  health: open,
  ...change,
});

test('an event renews the status and the health of a channel', () => {
  const { status, health, name } = withLive(channel, heard({}));
  assert.deepEqual([status, health, name], ['OFF_AUTO', open, 'House']);
});

test('a channel that is switched off stays so, whatever is heard of its health', () => {
  const off: Channel = { ...channel, enabled: false, status: 'OFF_MANUAL' };
  assert.equal(withLive(off, heard({})).status, 'OFF_MANUAL');
});

test('an event from before a channel was switched on does not switch it off again', () => {
  assert.equal(withLive(channel, heard({ status: 'OFF_MANUAL', health: healthy })).status, 'ON');
});

test('the next try is the earliest of the channels that are left out', () => {
  const later = { ...channel, health: { ...open, openUntil: '2030-01-01T00:01:00Z' } };
  assert.equal(nextTry([channel, later, { ...channel, health: open }]), Date.parse('2030-01-01T00:00:30Z'));
});

test('channels that are all well have no next try', () => {
  assert.equal(nextTry([channel]), null);
});

test('a form that is saved unchanged asks for what there is, and for no other key', () => {
  assert.deepEqual(updateInputOf(channel, channelDraftOf(channel)), {
    id: 'c1',
    name: 'House',
    models: ['writer', 'old'],
    modelDetails: [
      {
        name: 'writer',
        upstream: 'writer-v2',
        contextWindow: 9000,
        maxOutputTokens: null,
        modalities: ['TEXT'],
        tokenizer: null,
      },
      {
        name: 'old',
        upstream: 'old',
        contextWindow: 4000,
        maxOutputTokens: 100,
        modalities: ['TEXT'],
        tokenizer: null,
      },
    ],
    baseUrl: 'https://models.example/v1',
    apiKey: null,
    apiVersion: null,
    groups: ['eu', 'cheap'],
    region: 'eu-1',
    weight: 3,
    priority: -2,
    requestsPerMinute: 60,
    tokensPerMinute: 0,
    concurrency: 4,
    isDefault: false,
  });
});

test('a model that stays keeps its size, also under another upstream name, and a new one has none yet', () => {
  const { models, modelDetails } = updateInputOf(channel, { ...channelDraftOf(channel), models: 'writer = w3\nnew' });
  assert.deepEqual(models, ['writer', 'new']);
  assert.deepEqual(modelDetails, [
    {
      name: 'writer',
      upstream: 'w3',
      contextWindow: 9000,
      maxOutputTokens: null,
      modalities: ['TEXT'],
      tokenizer: null,
    },
    { name: 'new', upstream: 'new', contextWindow: null, maxOutputTokens: null, modalities: ['TEXT'], tokenizer: null },
  ]);
});

test('a key is removed only when that is ticked', () => {
  const draft = channelDraftOf(channel);
  const keys = [draft, { ...draft, apiKey: ' sk-1 ' }, { ...draft, dropKey: true }].map(
    (one) => updateInputOf(channel, one).apiKey,
  );
  assert.deepEqual(keys, [null, 'sk-1', '']);
});

test('lists are separated by Latin and by Chinese commas, and empty fields of a new channel are left to the server', () => {
  const draft = { ...channelDraftOf(null), name: 'New', models: 'a，b、c\n\n d ', weight: ' ' };
  const { models, weight, baseUrl, apiKey, requestsPerMinute } = createInputOf(draft);
  assert.deepEqual(
    [models, weight, baseUrl, apiKey, requestsPerMinute],
    [['a', 'b', 'c', 'd'], null, null, null, null],
  );
});

const level = (change: Partial<StoredPolicy> = {}): StoredPolicy => ({
  strategy: 'WEIGHTED',
  groups: [],
  regions: [],
  models: [],
  excluded: [],
  sticky: true,
  ...change,
});
const deep = level({
  excluded: ['c9'],
  fallback: level({
    strategy: 'RANDOM',
    models: ['spare'],
    fallback: level({ strategy: 'LOWEST_COST', groups: ['g'] }),
  }),
});

test('what the form of a policy does not show is kept', () => {
  const input = policyInputOf({ ...policyDraftOf(deep), sticky: false }, deep);
  assert.deepEqual(input, {
    ...level({ excluded: ['c9'], sticky: false }),
    fallback: {
      ...level({ strategy: 'RANDOM', models: ['spare'] }),
      fallback: { ...level({ strategy: 'LOWEST_COST', groups: ['g'] }), fallback: null },
    },
  });
});

test('a policy without its fallback is without the fallback’s own', () => {
  assert.deepEqual(policyInputOf({ ...policyDraftOf(deep), fallback: null }, deep).fallback, null);
});

test('only a policy with exclusions or a second fallback holds more than the form', () => {
  const policies = [level(), level({ fallback: level() }), level({ excluded: ['c9'] }), deep];
  assert.deepEqual(policies.map(holdsMore), [false, false, true, true]);
});
