/**
 * What a watcher of one generation knows, as a pure function of the events it has seen.
 *
 * `seq` only grows, over attempts and reconnects alike, so an event at or below the last one is a repeat and changes
 * nothing. Types of events that this version does not know advance `seq` and are otherwise ignored. `StreamRevoked` is
 * no part of the stream: it repeats the place of the last event, from which a new watcher may resume.
 */
import type {
  GenerationEventPartsFragment,
  MoneyPartsFragment,
  UsagePartsFragment,
  VersionPartsFragment,
} from './generated/graphql.js';

export type GenerationEvent = GenerationEventPartsFragment;

/** How a stream ended. Exactly one ends each generation; `revoked` ends only this watcher's view of it. */
export type StreamTerminal =
  | { kind: 'completed'; version: VersionPartsFragment | null; usage: UsagePartsFragment | null }
  | { kind: 'cancelled'; version: VersionPartsFragment | null }
  | { kind: 'truncated'; version: VersionPartsFragment | null; reason: string }
  | { kind: 'failed'; code: string; message: string }
  | { kind: 'revoked'; code: string; message: string };

/** A mark of an answer in a conversation, and the words that it stands for. */
export interface StreamCitation {
  readonly index: number;
  readonly marker: number;
  readonly quote: string;
  /** Null once it is deleted. */
  readonly document: { readonly id: string; readonly title: string } | null;
}

export interface StreamState {
  readonly text: string;
  /** Of the last event applied; 0 before the first. */
  readonly seq: number;
  /** Where to resume: give it as `after`. */
  readonly cursor: string | null;
  readonly attempt: number;
  readonly channel: string | null;
  readonly model: string | null;
  readonly promptTokens: number | null;
  /** 0 to 100. */
  readonly progress: number | null;
  readonly note: string | null;
  readonly meter: Record<'held' | 'accrued' | 'left', MoneyPartsFragment> | null;
  /** How often the text was cleared because a new attempt began. */
  readonly resets: number;
  /** Of the attempt that is shown, in the order of their marks. */
  readonly citations: readonly StreamCitation[];
  readonly terminal: StreamTerminal | null;
}

export const initialStreamState: StreamState = {
  text: '',
  seq: 0,
  cursor: null,
  attempt: 0,
  channel: null,
  model: null,
  promptTokens: null,
  progress: null,
  note: null,
  meter: null,
  resets: 0,
  citations: [],
  terminal: null,
};

export function reduceStream(state: StreamState, event: GenerationEvent): StreamState {
  if (state.terminal || (event.seq <= state.seq && event.__typename !== 'StreamRevoked')) return state;
  return { ...state, ...change(state, event), seq: event.seq, cursor: event.cursor };
}

function change(state: StreamState, event: GenerationEvent): Partial<StreamState> {
  switch (event.__typename) {
    case 'GenerationStartedEvent':
      return { attempt: event.attempt, channel: event.channel, model: event.model };
    case 'ContextReceiptReady':
      return { promptTokens: event.promptTokens };
    case 'TextDelta':
      return { text: state.text + event.text };
    case 'JobProgress':
      return { progress: event.progress, note: event.note };
    case 'AttemptSwitched':
      return { attempt: event.attempt, channel: event.channel, note: event.reason };
    case 'StreamReset':
      return { attempt: event.attempt, text: '', citations: [], resets: state.resets + 1, note: event.reason };
    case 'StreamSnapshot':
      return { attempt: event.attempt, text: event.text };
    case 'CitationAdded':
      return { citations: [...state.citations.filter(({ index }) => index !== event.index), event] };
    case 'MeterTick':
      return { meter: { held: event.held, accrued: event.accrued, left: event.left } };
    default:
      return ending(state, event);
  }
}

/** The stored version wins over what was streamed: it is what the author will accept. */
function ending(state: StreamState, event: GenerationEvent): Partial<StreamState> {
  switch (event.__typename) {
    case 'GenerationCompleted':
      return ended(state, { kind: 'completed', version: event.version, usage: event.usage });
    case 'GenerationCancelled':
      return ended(state, { kind: 'cancelled', version: event.version });
    case 'GenerationTruncated':
      return ended(state, { kind: 'truncated', version: event.version, reason: event.truncation });
    case 'GenerationFailed':
      return { terminal: { kind: 'failed', code: event.code, message: event.message } };
    case 'StreamRevoked':
      return { terminal: { kind: 'revoked', code: event.revokedCode, message: event.message } };
    default:
      return {};
  }
}

function ended(state: StreamState, terminal: Extract<StreamTerminal, { version: unknown }>): Partial<StreamState> {
  return { terminal, text: terminal.version?.text ?? state.text };
}
