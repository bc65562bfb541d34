// The schema rules of graphql-eslint: recommended, all and relay together; every rule that is off or softened says why.
import plugin from '@graphql-eslint/eslint-plugin';

const { 'flat/schema-recommended': recommended, 'flat/schema-all': all, 'flat/schema-relay': relay } = plugin.configs;

const OURS = {
  // Fields stand in the order in which a reader needs them, and types are sorted when the schema is printed.
  alphabetize: 'off',
  // There are mutations and subscriptions.
  'no-root-type': 'off',
  // A payload is never null: a mutation that did nothing says why in `userErrors`; a list is an empty page.
  'require-nullable-result-in-root': 'off',
  // Clients read what a mutation changed from its payload; a way back to all of Query would void its cost.
  'require-field-of-type-query-in-mutation-result': 'off',
  // Only what implements Node has an id. Pages, payloads, events and values belong to what they are read from.
  'strict-id-in-types': 'off',
  // Lists are read forward, in keyset order: `first` and `after`.
  'relay-arguments': ['error', { includeBoth: false }],
  // Payloads and values hold short whole lists, such as `userErrors`: those are not pages. Edges are called edges; what
  // they hold needs no id of its own where it is a passage that a search found.
  'relay-edge-types': [
    'error',
    { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false },
  ],
  // Everything is described, not only types and root fields.
  'require-description': [
    'error',
    {
      types: true,
      DirectiveDefinition: true,
      EnumValueDefinition: true,
      FieldDefinition: true,
      InputValueDefinition: true,
      rootField: true,
    },
  ],
};

const named = Object.entries(OURS).map(([rule, setting]) => [`@graphql-eslint/${rule}`, setting]);

export const config = (schema) => [
  {
    files: ['**/*.graphql'],
    languageOptions: { parser: plugin.parser, parserOptions: { graphQLConfig: { schema } } },
    plugins: { '@graphql-eslint': plugin },
    rules: { ...recommended.rules, ...all.rules, ...relay.rules, ...Object.fromEntries(named) },
  },
];
