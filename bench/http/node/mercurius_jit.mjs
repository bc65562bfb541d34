// mercurius on fastify, every operation compiled when it comes for the second time.
import { readFileSync } from 'node:fs';
import fastify from 'fastify';
import mercurius from 'mercurius';
import { Reads } from './reads.mjs';
import { resolvers } from './resolvers.mjs';
import { port, tenantOf } from './stage.mjs';

const app = fastify({ logger: false });
app.decorateRequest('reads', null);
app.addHook('onResponse', async ({ reads }) => reads?.end());
app.register(mercurius, {
  schema: readFileSync(new URL('schema.graphql', import.meta.url), 'utf8'),
  resolvers,
  jit: 1,
  graphiql: false,
  context: (request) => {
    request.reads = new Reads(tenantOf(request.headers.authorization));
    return { reads: request.reads };
  },
});
await app.listen({ host: '127.0.0.1', port });
