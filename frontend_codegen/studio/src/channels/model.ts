/** What the channels page knows without drawing it: forms as people type them, and what they ask of the server. */
import type {
  ChannelCreateInput,
  ChannelHealthSubscription,
  ChannelRowFragment,
  ChannelUpdateInput,
  ProviderKind,
  RoutingLevelPartsFragment,
  RoutingPolicyInput,
  Strategy,
} from '@fabula/client';

export type Channel = ChannelRowFragment;
export type LiveChannel = NonNullable<ChannelHealthSubscription['channelHealth']['channel']>;

/** Those that a studio can make channels for: a model file on the worker's machine is the platform's alone. */
export const PROVIDERS: ProviderKind[] = [
  'OPENAI_COMPATIBLE',
  'OPENAI',
  'AZURE_OPENAI',
  'ANTHROPIC',
  'GEMINI',
  'DASHSCOPE',
  'DEMO',
];
export const STRATEGIES: Strategy[] = [
  'WEIGHTED',
  'ROUND_ROBIN',
  'RANDOM',
  'LEAST_ERRORS',
  'LOWEST_LATENCY',
  'LOWEST_COST',
  'CONSISTENT_HASH',
];

/** The list's channel as the events since have it. On or off is the list's to say: no event tells of a switch. */
export function withLive(channel: Channel, live: LiveChannel | undefined): Channel {
  if (!live) return channel;
  const status = channel.enabled && live.status !== 'OFF_MANUAL' ? live.status : channel.status;
  return { ...channel, status, health: live.health };
}

/** When the first channel that is left out is tried again, in milliseconds since 1970; null when none is. */
export function nextTry(channels: Channel[]): number | null {
  const times = channels.map(({ health }) => (health.openUntil === null ? NaN : Date.parse(health.openUntil)));
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length > 0 ? Math.min(...known) : null;
}

export const listOf = (text: string): string[] =>
  text
    .split(/[\n,，、]/)
    .map((one) => one.trim())
    .filter(Boolean);

/** A model per entry, as `name` or as `name = what the provider calls it`. */
const modelsOf = (text: string) =>
  listOf(text).map((entry) => {
    const [name = '', upstream = ''] = entry.split(/[=＝](.*)/).map((part) => part.trim());
    return { name, upstream: upstream || name };
  });

const modelLine = ({ name, upstream }: Channel['models'][number]) =>
  upstream === name ? name : `${name} = ${upstream}`;

/** Null for an empty field. */
const numberOf = (text: string): number | null => (text.trim() === '' ? null : Math.trunc(Number(text)));

/** What the form holds: numbers and lists as the text a person types. The key is only ever written. */
export interface ChannelDraft {
  name: string;
  provider: ProviderKind;
  models: string;
  baseUrl: string;
  apiKey: string;
  dropKey: boolean;
  /** Azure wants one. It is not shown again, so an empty one leaves it as it is. */
  apiVersion: string;
  groups: string;
  region: string;
  weight: string;
  priority: string;
  requestsPerMinute: string;
  tokensPerMinute: string;
  concurrency: string;
  isDefault: boolean;
}

export const channelDraftOf = (channel: Channel | null): ChannelDraft => ({
  name: channel?.name ?? '',
  provider: channel?.provider ?? 'OPENAI_COMPATIBLE',
  models: channel?.models.map(modelLine).join('\n') ?? '',
  baseUrl: channel?.baseUrl ?? '',
  apiKey: '',
  dropKey: false,
  apiVersion: '',
  groups: channel?.groups.join(', ') ?? '',
  region: channel?.region ?? '',
  weight: String(channel?.weight ?? 1),
  priority: String(channel?.priority ?? 0),
  requestsPerMinute: channel?.requestsPerMinute?.toString() ?? '',
  tokensPerMinute: channel?.tokensPerMinute?.toString() ?? '',
  concurrency: channel?.concurrency?.toString() ?? '',
  isDefault: channel?.isDefault ?? false,
});

/** A model that stays keeps what is known of it. */
function sharedOf(draft: ChannelDraft, known: Channel['models']) {
  const models = modelsOf(draft.models);
  return {
    name: draft.name,
    apiVersion: draft.apiVersion.trim() || null,
    models: models.map((model) => model.name),
    modelDetails: models.map((model) => {
      const before = known.find(({ name }) => name === model.name);
      return {
        ...model,
        contextWindow: before?.contextWindow ?? null,
        maxOutputTokens: before?.maxOutputTokens ?? null,
        modalities: [...(before?.modalities ?? ['TEXT' as const])],
        tokenizer: before?.tokenizer ?? null,
      };
    }),
    groups: listOf(draft.groups),
    region: draft.region,
    weight: numberOf(draft.weight),
    priority: numberOf(draft.priority),
    isDefault: draft.isDefault,
  };
}

export const createInputOf = (draft: ChannelDraft): ChannelCreateInput => ({
  ...sharedOf(draft, []),
  provider: draft.provider,
  baseUrl: draft.baseUrl.trim() || null,
  apiKey: draft.apiKey.trim() || null,
  requestsPerMinute: numberOf(draft.requestsPerMinute),
  tokensPerMinute: numberOf(draft.tokensPerMinute),
  concurrency: numberOf(draft.concurrency),
});

/** A key that is not typed stays; an emptied limit is none. */
export const updateInputOf = (channel: Channel, draft: ChannelDraft): ChannelUpdateInput => ({
  ...sharedOf(draft, channel.models),
  id: channel.id,
  baseUrl: draft.baseUrl.trim(),
  apiKey: draft.dropKey ? '' : draft.apiKey.trim() || null,
  requestsPerMinute: numberOf(draft.requestsPerMinute) ?? 0,
  tokensPerMinute: numberOf(draft.tokensPerMinute) ?? 0,
  concurrency: numberOf(draft.concurrency) ?? 0,
});

/** A policy as the server has it, with its fallbacks as deep as they go. */
export interface StoredPolicy extends Omit<RoutingLevelPartsFragment, '__typename'> {
  fallback?: StoredPolicy | null;
}

export interface LevelDraft {
  strategy: Strategy;
  sticky: boolean;
  groups: string;
  regions: string;
  models: string;
}

export interface PolicyDraft extends LevelDraft {
  fallback: LevelDraft | null;
}

const levelDraftOf = ({ strategy, sticky, groups, regions, models }: StoredPolicy): LevelDraft => ({
  strategy,
  sticky,
  groups: groups.join(', '),
  regions: regions.join(', '),
  models: models.join(', '),
});

export const NEW_LEVEL: LevelDraft = { strategy: 'WEIGHTED', sticky: true, groups: '', regions: '', models: '' };

export const policyDraftOf = (policy: StoredPolicy): PolicyDraft => ({
  ...levelDraftOf(policy),
  fallback: policy.fallback ? levelDraftOf(policy.fallback) : null,
});

const levelInputOf = (draft: LevelDraft, stored: StoredPolicy | null | undefined): RoutingPolicyInput => ({
  strategy: draft.strategy,
  sticky: draft.sticky,
  groups: listOf(draft.groups),
  regions: listOf(draft.regions),
  models: listOf(draft.models),
  excluded: stored?.excluded ?? [],
});

const storedInputOf = (stored: StoredPolicy | null | undefined): RoutingPolicyInput | null =>
  stored ? { ...levelInputOf(levelDraftOf(stored), stored), fallback: storedInputOf(stored.fallback) } : null;

/** What the form does not show, such as excluded channels and the fallback's own fallback, stays as it is stored. */
export const policyInputOf = (draft: PolicyDraft, stored: StoredPolicy): RoutingPolicyInput => ({
  ...levelInputOf(draft, stored),
  fallback: draft.fallback
    ? {
        ...levelInputOf(draft.fallback, stored.fallback),
        fallback: storedInputOf(stored.fallback?.fallback),
      }
    : null,
});

/** Whether a policy holds more than the form shows. */
export const holdsMore = ({ excluded, fallback }: StoredPolicy): boolean =>
  excluded.length > 0 || Boolean(fallback && (fallback.excluded.length > 0 || fallback.fallback));

/** What a strategy's score measures. */
export type Measure = 'share' | 'failures' | 'seconds' | 'cost' | 'rank';

export const MEASURES: Record<Strategy, Measure> = {
  RANDOM: 'share',
  WEIGHTED: 'share',
  ROUND_ROBIN: 'rank',
  LEAST_ERRORS: 'failures',
  LOWEST_LATENCY: 'seconds',
  LOWEST_COST: 'cost',
  CONSISTENT_HASH: 'rank',
};
