// The resolvers that mercurius and yoga share. `context.reads` are the request's own.
import { GraphQLScalarType } from 'graphql';
import { CHAPTER, ENTRY, PROJECT, globalId, projectUuid } from './reads.mjs';

const DateTime = new GraphQLScalarType({ name: 'DateTime', serialize: (value) => value.toISOString() });

export const resolvers = {
  DateTime,
  Query: {
    projects: (_, { first }, { reads }) => reads.projects(first),
    node: (_, { id }, { reads }) => {
      const uuid = projectUuid(id);
      return uuid ? reads.project.load(uuid) : null;
    },
  },
  Project: {
    id: (row) => globalId(PROJECT, row.id),
    chapters: ({ id }, { first }, { reads }) => reads.chapters.load({ id, first }),
    codexEntries: ({ id }, { first }, { reads }) => reads.entries.load({ id, first }),
  },
  Chapter: {
    id: (row) => globalId(CHAPTER, row.id),
    project: (row, _, { reads }) => reads.project.load(row.project_id),
    currentVersion: (row, _, { reads }) => row.current_version_id && reads.version.load(row.current_version_id),
    versions: ({ id }, { first }, { reads }) => reads.versions.load({ id, first }),
  },
  CodexEntry: {
    id: (row) => globalId(ENTRY, row.id),
    relations: ({ id }, { first }, { reads }) => reads.relations.load({ id, first }),
  },
  CodexRelation: { to: (row, _, { reads }) => reads.entry.load(row.to_id) },
};
