import type { Types } from '@graphql-codegen/plugin-helpers';

export interface FabulaPresetConfig {
  /** A component sees only the fields of the fragment it asks for, through `useFragment`. On by default. */
  fragmentMasking?: boolean;
  /** Also write `hooks.ts`, a urql hook for each operation. Off by default. */
  hooks?: boolean;
}

/** The TypeScript types of the API's scalars. `config.scalars` of an output overrides single ones. */
export declare const scalars: Readonly<Record<string, string>>;

export declare const preset: Types.OutputPreset<FabulaPresetConfig>;
