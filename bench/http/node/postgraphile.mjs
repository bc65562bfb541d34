// PostGraphile in library mode on node:http, production mode, prepared statements (both its defaults here). Types and
// columns come from the database; names from smart tags; lists in the product's order from plans. Ids and cursors are
// PostGraphile's own.
import { createServer } from 'node:http';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { connection } from 'postgraphile/grafast';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { PostGraphileRelayPreset } from 'postgraphile/presets/relay';
import { extendSchema, gql, jsonPgSmartTags } from 'postgraphile/utils';
import { databaseUrl, poolSize, port, sessionOptions, tenantOf } from './stage.mjs';

const names = jsonPgSmartTags({
  version: 1,
  config: {
    class: { 'app.outline_nodes': { tags: { name: 'chapters' } } },
    constraint: Object.fromEntries([
      ['outline_nodes.outline_nodes_tenant_id_project_id_fkey', { fieldName: 'project' }],
      ['outline_nodes.outline_nodes_tenant_id_current_version_id_fkey', { fieldName: 'currentVersion' }],
      ['codex_relations.codex_relations_tenant_id_from_id_fkey', { foreignFieldName: 'relations' }],
      ['codex_relations.codex_relations_tenant_id_to_id_fkey', { fieldName: 'to' }],
    ].map(([name, tags]) => [`app.${name}`, { tags }])),
  },
});

// PostGraphile gives the fields of a connection their arguments, and applies these.
const page = ($rows, order) => {
  for (const [attribute, direction] of order) $rows.orderBy({ attribute, direction });
  return connection($rows);
};

const lists = extendSchema(({ pgResources, sql }) => {
  const { projects, chapters, codex_entries: entries, text_versions: versions } = pgResources;
  const living = ($rows) => {
    $rows.where(sql`${$rows}.deleted_at is null`);
    return $rows;
  };
  const tenant_id = ($row) => $row.get('tenant_id');
  return {
    typeDefs: gql`
      extend type Query { projects: ProjectConnection }
      extend type Project {
        chapters: ChapterConnection
        codexEntries: CodexEntryConnection
      }
      extend type Chapter { versions: TextVersionConnection }
    `,
    objects: {
      Query: {
        plans: {
          projects: () => page(living(projects.find()), [['updated_at', 'DESC'], ['id', 'DESC']]),
        },
      },
      Project: {
        plans: {
          chapters: ($project) => {
            const $rows = living(chapters.find({ tenant_id: tenant_id($project), project_id: $project.get('id') }));
            $rows.where(sql`${$rows}.kind = 'CHAPTER'`);
            return page($rows, [['path', 'ASC'], ['id', 'ASC']]);
          },
          codexEntries: ($project) => {
            const $rows = entries.find({ tenant_id: tenant_id($project), project_id: $project.get('id') });
            return page(living($rows), [['name', 'ASC'], ['id', 'ASC']]);
          },
        },
      },
      Chapter: {
        plans: {
          versions: ($chapter) => {
            const $rows = versions.find({ tenant_id: tenant_id($chapter), node_id: $chapter.get('id') });
            return page($rows, [['number', 'DESC']]);
          },
        },
      },
    },
  };
});

const instance = postgraphile({
  extends: [PostGraphileAmberPreset, PostGraphileRelayPreset],
  plugins: [names, lists],
  pgServices: [
    makePgService({
      connectionString: databaseUrl, schemas: ['app'], poolConfig: { max: poolSize, options: sessionOptions },
    }),
  ],
  schema: { defaultBehavior: '-insert -update -delete' },
  grafast: {
    context: ({ node }) => ({ pgSettings: { 'app.tenant_id': tenantOf(node.req.headers.authorization) } }),
  },
  grafserv: { graphiql: false, watch: false, outputDataAsString: true },
});
const server = createServer();
await instance.createServ(grafserv).addTo(server);
server.listen(port, '127.0.0.1');
