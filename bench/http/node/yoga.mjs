// graphql-yoga on node:http.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSchema, createYoga } from 'graphql-yoga';
import { Reads } from './reads.mjs';
import { resolvers } from './resolvers.mjs';
import { port, tenantOf } from './stage.mjs';

const yoga = createYoga({
  schema: createSchema({ typeDefs: readFileSync(new URL('schema.graphql', import.meta.url), 'utf8'), resolvers }),
  context: ({ req, res }) => {
    const reads = new Reads(tenantOf(req.headers.authorization));
    res.once('close', () => reads.end());
    return { reads };
  },
  graphiql: false,
  landingPage: false,
  logging: 'error',
});
createServer(yoga).listen(port, '127.0.0.1');
