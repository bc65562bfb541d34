import type {
  ChunkPartsFragment,
  DocumentPartsFragment,
  DocumentState,
  KnowledgeBasePartsFragment,
} from '@fabula/client';

export type Base = KnowledgeBasePartsFragment;
export type BaseDocument = DocumentPartsFragment;
export type Chunk = ChunkPartsFragment;

/** What the events say of a document since the list was read. */
export interface Progress {
  state: DocumentState;
  progress: number;
  chunkCount: number;
  errorCode?: BaseDocument['errorCode'];
  errorMessage?: string | null;
}

export const isSettled = (state: DocumentState): boolean => state === 'READY' || state === 'FAILED';

export const withProgress = (document: BaseDocument, heard: Progress | undefined): BaseDocument =>
  heard
    ? { ...document, ...heard, errorCode: heard.errorCode ?? null, errorMessage: heard.errorMessage ?? null }
    : document;

/** A piece of a text around a span, and where the span stands in it. Everything counts Unicode characters. */
export interface Window {
  start: number;
  end: number;
}

const BEFORE = 1_500;
const LENGTH = 8_000;
const STEP = 8_000;

export const firstWindow = (span: Window | null): Window => {
  const start = Math.max((span?.start ?? 0) - BEFORE, 0);
  return { start, end: Math.max(start + LENGTH, span?.end ?? 0) };
};
export const earlierWindow = ({ start, end }: Window): Window => ({ start: Math.max(start - STEP, 0), end });
export const laterWindow = ({ start, end }: Window): Window => ({ start, end: end + STEP });

/** The text cut into what stands before the span, the span, and what follows. */
export function aroundSpan(text: string, start: number, span: Window | null): [string, string, string] {
  if (!span) return [text, '', ''];
  const characters = Array.from(text);
  const part = (from: number, to?: number) => characters.slice(Math.max(from - start, 0), to).join('');
  return [
    characters.slice(0, Math.max(span.start - start, 0)).join(''),
    part(span.start, Math.max(span.end - start, 0)),
    part(span.end),
  ];
}

/** The span that an address names, or nothing when it names none that makes sense. */
export function spanOf(search: string): Window | null {
  const params = new URLSearchParams(search);
  const [start, end] = [params.get('start'), params.get('end')].map((one) => Number.parseInt(one ?? '', 10));
  return start !== undefined && end !== undefined && start >= 0 && end > start ? { start, end } : null;
}
