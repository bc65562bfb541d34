import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

const scalars = { ID: 'string', DateTime: 'string', Decimal: 'string', TokenCount: 'number', JSON: 'unknown' };

const config: CodegenConfig = {
  schema: '../graphql_schema.graphql',
  documents: ['operations/*.graphql'],
  emitLegacyCommonJSImports: false,
  importExtension: '.js',
  generates: {
    './client/src/generated/': {
      preset: 'client',
      presetConfig: {
        // One shared set of documents, not fragments per component: masking would only add unwrapping calls.
        fragmentMasking: false,
        persistedDocuments: { mode: 'embedHashInDocument', hashAlgorithm: 'sha256' },
      },
      // Without __typename in the manifest, a client that sends only the hash gets answers its cache cannot read.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      // documentMode 'documentNode' would silently write an empty manifest, so it stays at the default.
      config: { useTypeImports: true, enumsAsTypes: true, strictScalars: true, scalars },
    },
    './client/src/generated/hooks.ts': {
      plugins: ['typescript-urql'],
      config: {
        useTypeImports: true,
        documentMode: 'external',
        importDocumentNodeExternallyFrom: './graphql.js',
        importOperationTypesFrom: 'Operations',
      },
    },
  },
};

export default config;
