import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './app.css';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';

import { loadDemo } from './demo';
import { createFetcher } from './fetcher';
import { DEFAULT_QUERY, defaultTabs } from './tabs';

const endpoint = document.querySelector<HTMLMetaElement>('meta[name="graphql-endpoint"]')?.content ?? '/graphql';
const demo = await loadDemo(endpoint);
const headers = JSON.stringify({ authorization: `Bearer ${demo.token || '<accessToken>'}` }, null, 2);

createRoot(document.getElementById('graphiql')!).render(
  <GraphiQL
    fetcher={createFetcher(endpoint)}
    plugins={[HISTORY_PLUGIN, explorerPlugin()]}
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
