// The client preset of GraphQL Code Generator with the choices that the Fabula API asks for.
//
// The manifest is written always, with the SHA-256 of each document also in the document itself, so that a client can
// send the one for the other. Each selection has its __typename: without it in the manifest, a client that sends only
// the hash gets answers that its cache cannot read.
import * as add from '@graphql-codegen/add';
import { addTypenameSelectionDocumentTransform, preset as clientPreset } from '@graphql-codegen/client-preset';
import * as urql from '@graphql-codegen/typescript-urql';

export const scalars = { ID: 'string', DateTime: 'string', Decimal: 'string', TokenCount: 'number', JSON: 'unknown' };

const TYPENAME = { name: 'typename', transformObject: addTypenameSelectionDocumentTransform, config: {} };

/** @type {import('./index.js').preset} */
export const preset = {
  prepareDocuments: clientPreset.prepareDocuments,

  async buildGeneratesSection(options) {
    refuseWhatBreaksTheManifest(options.config, options.presetConfig);
    const { hooks = false, fragmentMasking = true } = options.presetConfig;
    const config = {
      useTypeImports: true,
      enumsAsTypes: true,
      strictScalars: true,
      ...options.config,
      scalars: { ...scalars, ...options.config.scalars },
    };
    const documentTransforms = [...(options.documentTransforms ?? []), TYPENAME];
    const presetConfig = {
      fragmentMasking,
      persistedDocuments: { mode: /** @type {const} */ ('embedHashInDocument'), hashAlgorithm: 'sha256' },
    };
    const files = await clientPreset.buildGeneratesSection({ ...options, config, documentTransforms, presetConfig });
    return hooks ? [...files, hooksFile({ ...options, config, documentTransforms })] : files;
  },
};

/** Both write a manifest that is empty or that the server refuses, without a word. */
function refuseWhatBreaksTheManifest(config, presetConfig) {
  if (config.documentMode !== undefined) throw new Error('@fabula/codegen-preset: documentMode stays at its default.');
  const unknown = Object.keys(presetConfig).filter((name) => name !== 'hooks' && name !== 'fragmentMasking');
  if (unknown.length) throw new Error(`@fabula/codegen-preset: presetConfig has no ${unknown.join(', ')}.`);
}

function hooksFile({ baseOutputDir, schema, schemaAst, documents, documentTransforms, pluginMap, config }) {
  return {
    filename: `${baseOutputDir}hooks.ts`,
    plugins: [{ add: { content: '/* eslint-disable */' } }, { 'typescript-urql': {} }],
    pluginMap: { ...pluginMap, add, 'typescript-urql': urql },
    schema,
    schemaAst,
    documents,
    documentTransforms,
    config: {
      useTypeImports: config.useTypeImports,
      scalars: config.scalars,
      // The visitor takes the extension off and puts this one on.
      emitLegacyCommonJSImports: config.emitLegacyCommonJSImports,
      importExtension: config.importExtension,
      documentMode: 'external',
      importDocumentNodeExternallyFrom: './graphql.js',
      importOperationTypesFrom: 'Operations',
    },
  };
}
