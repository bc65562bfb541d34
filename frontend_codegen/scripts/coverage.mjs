// Which root fields of a schema no document asks for: what users of the typed clients could not reach.
import { Kind, TypeInfo, visit, visitWithTypeInfo } from 'graphql';

/** The sorted coordinates, such as `Query.me`, of root fields of `schema` that are not in `document`. */
export function unusedRootFields(schema, document) {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(Boolean);
  const unused = new Set(roots.flatMap((type) => Object.keys(type.getFields()).map((name) => `${type.name}.${name}`)));
  const info = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(info, {
      [Kind.FIELD]: (node) => void unused.delete(`${info.getParentType()?.name}.${node.name.value}`),
    }),
  );
  return [...unused].sort();
}
