/** The registries of trusted documents: the one that is built in, and those of the tenant's client applications. */
import { getOperationAST, parse, print } from 'graphql';

import BUILT_IN from '../../client/persisted-documents.json';

export interface Entry {
  /** `sha256:<hex>`: what documentId takes. */
  hash: string;
  name: string;
  text: string;
  /** Null when it is not known: built-in documents are costed by the server, and not everyone may see their use. */
  cost: number | null;
  useCount: number | null;
  retired: boolean;
}

export interface ClientApp {
  id: string;
  name: string;
}

export interface Page {
  entries: Entry[];
  /** The cursor of the next page; null after the last. */
  next: string | null;
}

export type Send = <T>(query: string, variables?: object) => Promise<T>;

const APPS = `{ clientApps(first: 100) { edges { node { id name } } } }`;
const DOCUMENTS = `query ($id: ID!, $after: String) { node(id: $id) { ... on ClientApp {
  documents(first: 50, after: $after) {
    edges { node { hash name text cost useCount retiredAt } } pageInfo { hasNextPage endCursor }
  } } } }`;
const USAGE = `{ schemaUsage { documents { hash uses clientApp { id } } } }`;

interface Documents {
  node: {
    documents: {
      edges: { node: Omit<Entry, 'retired'> & { retiredAt: string | null } }[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    };
  } | null;
}
interface Usage {
  schemaUsage: { documents: { hash: string; uses: number; clientApp: object | null }[] };
}

/** Posts with the given headers; the first error of an answer is thrown. */
export function sender(endpoint: string, headers: Record<string, string>): Send {
  return async <T>(query: string, variables: object = {}) => {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data: T; errors?: { message: string }[] };
    if (errors?.[0]) throw new Error(errors[0].message);
    return data;
  };
}

export async function listApps(send: Send): Promise<ClientApp[]> {
  const { clientApps } = await send<{ clientApps: { edges: { node: ClientApp }[] } }>(APPS);
  return clientApps.edges.map(({ node }) => node);
}

/** A page of an application's registry; all of the built-in one without `appId`. */
export async function listDocuments(send: Send, appId: string | null, after: string | null): Promise<Page> {
  if (appId === null) return { entries: builtIn(await ownUses(send)), next: null };
  const { node } = await send<Documents>(DOCUMENTS, { id: appId, after });
  const { edges, pageInfo } = node?.documents ?? { edges: [], pageInfo: { hasNextPage: false, endCursor: '' } };
  const entries = edges.map(({ node: { retiredAt, ...one } }) => ({ ...one, retired: retiredAt !== null }));
  return { entries, next: pageInfo.hasNextPage ? pageInfo.endCursor : null };
}

/** How often each built-in document was used in 30 days; null for people who may not see that. */
async function ownUses(send: Send): Promise<Map<string, number> | null> {
  try {
    const { documents } = (await send<Usage>(USAGE)).schemaUsage;
    return new Map(documents.filter(({ clientApp }) => clientApp === null).map(({ hash, uses }) => [hash, uses]));
  } catch {
    return null;
  }
}

function builtIn(uses: Map<string, number> | null): Entry[] {
  return Object.entries(BUILT_IN)
    .map(([hash, text]) => ({
      hash,
      text,
      name: getOperationAST(parse(text))?.name?.value ?? '',
      cost: null,
      useCount: uses && (uses.get(hash) ?? 0),
      retired: false,
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** Registered texts are one line; people read more of them. The operation comes before its fragments. */
export function readable(text: string): string {
  const { kind, definitions } = parse(text);
  const order = [...definitions].sort((a, b) => rank(a.kind) - rank(b.kind));
  return print({ kind, definitions: order });
}

const rank = (kind: string) => (kind === 'OperationDefinition' ? 0 : 1);

/** The variables that must be given, empty, as a start: `{ "id": "" }`. */
export function skeleton(text: string): string {
  const variables = getOperationAST(parse(text))?.variableDefinitions ?? [];
  const needed = variables.filter(({ type, defaultValue }) => type.kind === 'NonNullType' && !defaultValue);
  return needed.length
    ? JSON.stringify(Object.fromEntries(needed.map((one) => [one.variable.name.value, ''])), null, 2)
    : '';
}
