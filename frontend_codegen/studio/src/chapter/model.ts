import type {
  ChapterQuery,
  GenerationPartsFragment,
  GenerationState,
  VersionPartsFragment,
  VersionRowFragment,
} from '@fabula/client';
import type { TokenStreamResult } from '@fabula/client/urql';

export type Chapter = Extract<NonNullable<ChapterQuery['chapter']>, { __typename: 'Chapter' }>;
export type Version = VersionPartsFragment;

const RUNNING: GenerationState[] = ['QUEUED', 'PREPARING', 'STREAMING', 'CANCELLING'];

export const isRunning = (generation: GenerationPartsFragment | null): boolean =>
  generation !== null && RUNNING.includes(generation.state);

export const latestGeneration = (chapter: Chapter): GenerationPartsFragment | null =>
  chapter.generations.edges[0]?.node ?? null;

export const versionRows = (chapter: Chapter): VersionRowFragment[] => chapter.versions.edges.map(({ node }) => node);

/** What the line under the draft says. */
export type Phase =
  'waiting' | 'preparing' | 'writing' | 'reconnecting' | 'completed' | 'cancelled' | 'truncated' | 'failed';

export function phaseOf(stream: TokenStreamResult): Phase {
  const { terminal, status, length, attempt } = stream;
  if (terminal) return terminal.kind === 'revoked' ? 'failed' : terminal.kind;
  if (status === 'error') return 'failed';
  if (status === 'reconnecting') return 'reconnecting';
  if (length > 0) return 'writing';
  return attempt > 0 ? 'preparing' : 'waiting';
}

/** The version that a stream ended with, when it ended with one. */
export function endedVersion(stream: TokenStreamResult): Version | null {
  const { terminal } = stream;
  return terminal && 'version' in terminal ? terminal.version : null;
}
