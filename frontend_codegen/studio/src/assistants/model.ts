import type { AssistantPartsFragment, AssistantQuery, AssistantVersionPartsFragment } from '@fabula/client';

export type Assistant = AssistantPartsFragment;
export type AssistantVersion = AssistantVersionPartsFragment;
export type OpenAssistant = Extract<NonNullable<AssistantQuery['node']>, { __typename: 'Assistant' }>;

export const CATEGORIES = [
  'PLOT',
  'CHARACTER',
  'WORLD',
  'DRAFTING',
  'STYLE',
  'EDITING',
  'TRANSLATION',
  'RESEARCH',
  'MARKETING',
  'ROLEPLAY',
  'OTHER',
] as const;

/** What is between the separators, without what is empty. Both languages' commas separate. */
export const listOf = (text: string, separator: RegExp): string[] =>
  text
    .split(separator)
    .map((one) => one.trim())
    .filter(Boolean);
export const COMMAS = /[,，、]/;
