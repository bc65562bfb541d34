/** A customer's program: `node ask.js URL TOKEN` prints how many novels a page of two has, and what they are. */
import { createFabulaClient } from '@fabula/client';

import { ShelfDocument } from './gql/graphql.js';

const [url, token] = process.argv.slice(2);
const client = createFabulaClient({ url: url!, getToken: () => token!, trustedDocuments: true });
const { data, error } = await client.urql.query(ShelfDocument, { first: 2 });
if (error) throw error;
const { edges } = data!.projects;
console.log(`${edges.length} ${edges[0]!.node.__typename}`);
client.dispose();
