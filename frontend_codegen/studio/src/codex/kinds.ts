import type { CodexInclusion, CodexKind } from '@fabula/client';

export const CODEX_KINDS: CodexKind[] = ['CHARACTER', 'PLACE', 'ORGANISATION', 'ITEM', 'RULE', 'EVENT', 'CONCEPT'];
export const INCLUSIONS: CodexInclusion[] = ['DETECTED', 'ALWAYS', 'NEVER'];
