import type { CodegenConfig } from '@graphql-codegen/cli';

import { preset } from './preset/src/index.js';

const config: CodegenConfig = {
  schema: '../graphql_schema.graphql',
  documents: ['operations/*.graphql'],
  emitLegacyCommonJSImports: false,
  importExtension: '.js',
  generates: {
    './client/src/generated/': {
      preset,
      // One shared set of documents, not fragments per component: masking would only add unwrapping calls.
      presetConfig: { fragmentMasking: false, hooks: true },
    },
  },
};

export default config;
