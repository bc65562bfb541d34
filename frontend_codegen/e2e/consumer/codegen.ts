import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: 'graphql_schema.graphql',
  documents: ['src/*.graphql', 'src/*.tsx'],
  importExtension: '.js',
  emitLegacyCommonJSImports: false,
  generates: { './src/gql/': { preset: '@fabula/codegen-preset', presetConfig: { hooks: true } } },
};
export default config;
