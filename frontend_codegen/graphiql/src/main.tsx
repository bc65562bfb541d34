import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './app.css';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { loadDemo } from './demo';
import { createByDocumentId, createFetcher } from './fetcher';
import { DEFAULT_QUERY, defaultTabs } from './tabs';
import { trustedPlugin } from './trusted';

const endpoint = document.querySelector<HTMLMetaElement>('meta[name="graphql-endpoint"]')?.content ?? '/graphql';
const demo = await loadDemo(endpoint);
const headers = JSON.stringify({ authorization: `Bearer ${demo.token || '<accessToken>'}` }, null, 2);
const byDocumentId = createByDocumentId();

createRoot(document.getElementById('graphiql')!).render(
  <GraphiQL
    fetcher={createFetcher(endpoint, byDocumentId)}
    plugins={[HISTORY_PLUGIN, explorerPlugin(), trustedPlugin({ endpoint, headers, byDocumentId })]}
    defaultEditorToolsVisibility="headers"
    isHeadersEditorEnabled
    // A token is worth more than the convenience of finding it again: headers are not written to storage.
    shouldPersistHeaders={false}
    inputValueDeprecation
    schemaDescription
    defaultQuery={DEFAULT_QUERY}
    defaultHeaders={headers}
    defaultTabs={defaultTabs(demo, headers)}
  >
    <GraphiQL.Logo>
      <a className="fabula-logo" href="/">
        Fabula
      </a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
