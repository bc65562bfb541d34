import type { CitationPartsFragment, ConversationQuery, ConversationRowFragment, MessageState } from '@fabula/client';

export type Conversation = NonNullable<ConversationQuery['conversation']>;
export type ConversationRow = ConversationRowFragment;
export type Message = Conversation['activePath'][number];
export type Cited = CitationPartsFragment;

const WRITING: MessageState[] = ['PENDING', 'STREAMING'];

export const isBeingWritten = (message: Pick<Message, 'state'>): boolean => WRITING.includes(message.state);

/** Where a mark stands in a text that Markdown will read: two characters of private use around its rank. */
export const MARK = /\uE000(\d+)\uE001/;

/**
 * The text with each mark replaced, so that Markdown takes none of them for a link.
 *
 * Places count Unicode characters, as the server does, and not the halves that JavaScript counts.
 */
export function withMarks(text: string, citations: readonly Pick<Cited, 'rank' | 'place'>[]): string {
  const characters = Array.from(text, (one) => (one === '\uE000' || one === '\uE001' ? '' : one));
  for (const { rank, place } of citations) {
    if (place.start < 0 || place.end > characters.length || place.start >= place.end) continue;
    characters.fill('', place.start, place.end);
    characters[place.start] = `\uE000${rank}\uE001`;
  }
  return characters.join('');
}

/** The same where only the numbers are known: `[2]` is the mark of whatever has that number. */
export function withNumberedMarks(text: string, markers: ReadonlySet<number>): string {
  const clean = text.replace(/[\uE000\uE001]/g, '');
  return clean.replace(/\[(\d{1,3})\]/g, (whole, digits: string) =>
    markers.has(Number(digits)) ? `\uE000${Number(digits)}\uE001` : whole,
  );
}

/** One entry for each passage that an answer cites, by the number it has there. */
export function sourcesOf<C extends { marker: number }>(citations: readonly C[]): C[] {
  const first = new Map<number, C>();
  for (const one of citations) if (!first.has(one.marker)) first.set(one.marker, one);
  return [...first.values()].sort((a, b) => a.marker - b.marker);
}

export interface Group {
  id: string;
  name: string;
}

/** The list as it is shown: pinned ones first, then each group in its order, then what stands in none. */
export function shelve(rows: readonly ConversationRow[], groups: readonly Group[]) {
  const known = new Set(groups.map(({ id }) => id));
  const inGroup = (id: string) => rows.filter((row) => !row.pinned && row.group?.id === id);
  return {
    pinned: rows.filter((row) => row.pinned),
    groups: groups.map((group) => ({ group, rows: inGroup(group.id) })),
    others: rows.filter((row) => !row.pinned && !(row.group && known.has(row.group.id))),
  };
}
