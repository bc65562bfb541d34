// What mercurius and yoga read: hand-written statements with names, which pg prepares once a connection, behind
// dataloaders, all of a request in one transaction. Cursors and global ids are written as the product writes them.
import DataLoader from 'dataloader';
import pg from 'pg';
import { databaseUrl, poolSize, sessionOptions } from './stage.mjs';

// In a pipeline `begin` and the first statement leave together.
const pool = new pg.Pool({ connectionString: databaseUrl, max: poolSize, options: sessionOptions, pipeline: true });

export const globalId = (code, uuid) =>
  Buffer.from(code + uuid.replaceAll('-', ''), 'hex').toString('base64url');

export function projectUuid(id) {
  const hex = Buffer.from(id, 'base64url').toString('hex');
  return hex.length === 36 && hex.startsWith(PROJECT) ?
    hex.slice(4).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') : undefined;
}

// The two letters that stand for a type in its ids.
export const PROJECT = '706a', CHAPTER = '6368', ENTRY = '6365';

// A connection: `rows` are one more than `first` when more follow.
class Page {
  constructor(rows, first, list, scope) {
    this.hasNextPage = rows.length > first;
    this.edges = rows.slice(0, first).map((node) => new Edge(node, this));
    this.list = list;
    this.scope = scope;
  }
  get pageInfo() { return this; }
  get startCursor() { return this.edges.at(0)?.cursor ?? null; }
  get endCursor() { return this.edges.at(-1)?.cursor ?? null; }
}

class Edge {
  constructor(node, page) {
    this.node = node;
    this.page = page;
  }
  get cursor() {
    const { list, scope } = this.page;
    return Buffer.from(JSON.stringify([list.name, scope, ...list.key(this.node)])).toString('base64url');
  }
}

const PROJECT_COLUMNS = `id, title, language, genre, premise, status, target_words as "targetWords",
  created_at as "createdAt", updated_at as "updatedAt", 'Project' as "__typename"`;

const PROJECTS = {
  name: 'projects:UPDATED_AT:desc',
  text: `select ${PROJECT_COLUMNS},
      to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00' as moment
    from app.projects where tenant_id = $1 and deleted_at is null order by updated_at desc, id desc limit $2`,
  key: (row) => [row.moment, row.id],
};

const under = (name, select, order, key) => ({
  name,
  text: `select wanted.parent, part.* from unnest($2::uuid[]) as wanted(parent)
    cross join lateral (${select} order by ${order} limit $3) as part`,
  key,
});

const CHAPTERS = under('chapters', `
  select id, title, word_count as "wordCount", path, project_id, current_version_id from app.outline_nodes
  where tenant_id = $1 and project_id = wanted.parent and kind = 'CHAPTER' and deleted_at is null`,
'path, id', (row) => [row.path, row.id]);
const VERSIONS = under('versions', `
  select number, origin from app.text_versions where tenant_id = $1 and node_id = wanted.parent`,
'number desc', (row) => [String(row.number)]);
const ENTRIES = under('codexEntries', `
  select id, name, kind from app.codex_entries
  where tenant_id = $1 and project_id = wanted.parent and deleted_at is null`,
'name, id', (row) => [row.name, row.id]);
const RELATIONS = under('codexRelations', `
  select id, kind, to_id from app.codex_relations where tenant_id = $1 and from_id = wanted.parent`,
'id', (row) => [row.id]);

const byId = (name, columns, table) => ({
  name, text: `select ${columns} from app.${table} where tenant_id = $1 and id = any($2::uuid[])`,
});
const PROJECT_BY_ID = byId('project', PROJECT_COLUMNS, 'projects');
const VERSION_BY_ID = byId('version', 'id, number, origin', 'text_versions');
const ENTRY_BY_ID = byId('entry', 'id, name, kind', 'codex_entries');

// One request's. Lists are asked for by { id of the parent, first }.
export class Reads {
  #tenant;
  #client;

  constructor(tenant) {
    this.#tenant = tenant;
    this.chapters = this.#pages(CHAPTERS);
    this.versions = this.#pages(VERSIONS);
    this.entries = this.#pages(ENTRIES);
    this.relations = this.#pages(RELATIONS);
    this.project = this.#rows(PROJECT_BY_ID);
    this.version = this.#rows(VERSION_BY_ID);
    this.entry = this.#rows(ENTRY_BY_ID);
  }

  async projects(first) {
    const rows = await this.#all(PROJECTS, first + 1);
    for (const row of rows) this.project.prime(row.id, row);
    return new Page(rows, first, PROJECTS, '');
  }

  // After the answer: nobody waits for it.
  async end() {
    const client = await this.#client;
    if (!client) return;
    try {
      await client.query('commit');
      client.release();
    } catch (error) {
      client.release(error);
    }
  }

  async #all({ name, text }, ...values) {
    const client = await (this.#client ??= this.#begin());
    return (await client.query({ name, text, values: [this.#tenant, ...values] })).rows;
  }

  async #begin() {
    const client = await pool.connect();
    const tenant = client.escapeLiteral(this.#tenant);
    client.query(`begin read only; select set_config('app.tenant_id', ${tenant}, true)`).catch(() => {});
    return client;
  }

  #pages(list) {
    return new DataLoader(async (keys) => {
      const ids = keys.map(({ id }) => id);
      const most = Math.max(...keys.map(({ first }) => first));
      const found = new Map(ids.map((id) => [id, []]));
      for (const row of await this.#all(list, ids, most + 1)) found.get(row.parent).push(row);
      return keys.map(({ id, first }) => new Page(found.get(id).slice(0, first + 1), first, list, id));
    }, { cacheKeyFn: ({ id, first }) => `${id} ${first}` });
  }

  #rows(lookup) {
    return new DataLoader(async (ids) => {
      const found = new Map((await this.#all(lookup, ids)).map((row) => [row.id, row]));
      return ids.map((id) => found.get(id) ?? null);
    });
  }
}
