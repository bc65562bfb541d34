/** The outline as a tree, and where its nodes may go. Pure: the server decides, this only proposes. */
import type { OutlineKind, OutlineNodePartsFragment } from '@fabula/client';

export type OutlineNode = OutlineNodePartsFragment;

export interface Place {
  parentId: string | null;
  /** The sibling to stand behind; null for the first place. */
  afterId: string | null;
}

const RANK: Record<OutlineKind, number> = { VOLUME: 0, ARC: 1, CHAPTER: 2, SCENE: 3 };

export const KINDS: OutlineKind[] = ['VOLUME', 'ARC', 'CHAPTER', 'SCENE'];

/** Any level may be left out, but none may stand inside a finer one. */
export const canHold = (parent: OutlineKind, child: OutlineKind): boolean => RANK[parent] < RANK[child];

export const childrenOf = (nodes: readonly OutlineNode[], parentId: string | null): OutlineNode[] =>
  nodes.filter((node) => node.parentId === parentId);

/** One step up or down in reading order: past a sibling, or over the edge into the neighbouring container. */
export function stepPlace(nodes: readonly OutlineNode[], node: OutlineNode, step: -1 | 1): Place | null {
  const siblings = childrenOf(nodes, node.parentId);
  const at = siblings.findIndex((sibling) => sibling.id === node.id);
  if (step === -1 && at > 0) return { parentId: node.parentId, afterId: siblings[at - 2]?.id ?? null };
  const below = siblings[at + 1];
  if (step === 1 && below) return { parentId: node.parentId, afterId: below.id };
  const neighbour = neighbouringContainer(nodes, node, step);
  if (!neighbour) return null;
  return { parentId: neighbour.id, afterId: step === -1 ? (childrenOf(nodes, neighbour.id).at(-1)?.id ?? null) : null };
}

function neighbouringContainer(
  nodes: readonly OutlineNode[],
  node: OutlineNode,
  step: -1 | 1,
): OutlineNode | undefined {
  const parent = nodes.find(({ id }) => id === node.parentId);
  if (!parent) return undefined;
  const peers = nodes.filter(({ kind }) => kind === parent.kind);
  return peers[peers.indexOf(parent) + step];
}

/** Where a new chapter most likely goes: beside the last one. */
export function usualParent(nodes: readonly OutlineNode[], kind: OutlineKind): string | null {
  const last = nodes.findLast((node) => node.kind === kind);
  if (last) return last.parentId;
  return nodes.findLast((node) => canHold(node.kind, kind))?.id ?? null;
}
