// graphql-ws over ws, reading the same log: node server.mjs PORT REDIS_URL
// One XREAD a process, a queue a subscriber, no authentication.
import {
  GraphQLID, GraphQLInt, GraphQLInterfaceType, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString,
} from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import Redis from 'ioredis';
import { WebSocketServer } from 'ws';

const [port, url] = process.argv.slice(2);
const redis = new Redis(url);
const last = new Map();
const queues = new Map();

async function* follow(key) {
  let wake;
  const waiting = [];
  queues.set(key, (entry) => { waiting.push(entry); wake?.(); });
  last.set(key, '0-0');
  for (;;) {
    if (!waiting.length) await new Promise((resolve) => { wake = resolve; });
    wake = undefined;
    for (const entry of waiting.splice(0)) yield { generationEvents: event(key, entry) };
  }
}

function event(key, [id, fields]) {
  const [attempt, n] = id.split('-').map(Number);
  const place = {
    seq: attempt * 2 ** 20 + n,
    cursor: Buffer.from(`${key}/${id}`).toString('base64url'),
    at: new Date(Number(fields[5])).toISOString(),
  };
  const __typename = fields[1] === 'DELTA' ? 'TextDelta' : 'GenerationStartedEvent';
  return { __typename, ...place, ...JSON.parse(fields[3]) };
}

async function read() {
  for (;;) {
    if (last.size) {
      const answer = await redis.xread('COUNT', 256, 'BLOCK', 20, 'STREAMS', ...last.keys(), ...last.values());
      for (const [key, entries] of answer ?? []) {
        last.set(key, entries.at(-1)[0]);
        const put = queues.get(key);
        for (const entry of entries) put(entry);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const required = (type) => ({ type: new GraphQLNonNull(type) });
const place = { seq: required(GraphQLInt), cursor: required(GraphQLString), at: required(GraphQLString) };
const GenerationEvent = new GraphQLInterfaceType({ name: 'GenerationEvent', fields: place });
const type = (name, fields) =>
  new GraphQLObjectType({ name, interfaces: [GenerationEvent], fields: { ...place, ...fields } });
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      generationEvents: {
        type: new GraphQLNonNull(GenerationEvent),
        args: { id: required(GraphQLID) },
        subscribe: (_root, { id }) => follow(id),
      },
    },
  }),
  types: [
    type('TextDelta', { text: required(GraphQLString) }),
    type('GenerationStartedEvent', { attempt: required(GraphQLInt) }),
  ],
});

useServer({ schema }, new WebSocketServer({ host: '127.0.0.1', port: Number(port), path: '/graphql' }));
read();
