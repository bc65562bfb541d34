/** The panel of trusted documents: pick a registry, see names, hashes and use, bring one to the editor or run it. */
import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState } from 'react';

import type { ByDocumentId } from './fetcher';
import { type ClientApp, type Entry, listApps, listDocuments, readable, sender, skeleton } from './registry';
import { words } from './words';

interface Options {
  endpoint: string;
  /** Headers to ask with where the headers editor has none that can be read. */
  headers: string;
  byDocumentId: ByDocumentId;
}

export function trustedPlugin(options: Options): GraphiQLPlugin {
  return { title: words.title, icon: Icon, content: () => <Panel {...options} /> };
}

function Panel({ endpoint, headers, byDocumentId }: Options) {
  const headerEditor = useGraphiQL(({ headerEditor }) => headerEditor);
  const queryEditor = useGraphiQL(({ queryEditor }) => queryEditor);
  const variableEditor = useGraphiQL(({ variableEditor }) => variableEditor);
  const { addTab, run } = useGraphiQLActions();
  const [apps, setApps] = useState<ClientApp[]>([]);
  const [appId, setAppId] = useState<string | null>(null);
  const [part, setPart] = useState('');
  const { entries, next, problem, busy, more } = useDocuments(
    endpoint,
    headers,
    headerEditor?.getValue(),
    appId,
    setApps,
  );

  const show = (entry: Entry) => {
    addTab();
    queryEditor?.setValue(readable(entry.text));
    variableEditor?.setValue(skeleton(entry.text));
    if (headerEditor && !headerEditor.getValue().trim()) headerEditor.setValue(headers);
  };
  const runIt = (entry: Entry) => {
    const text = readable(entry.text);
    // A document that is in the editor already has the variables that somebody filled in.
    if (queryEditor?.getValue() !== text) show(entry);
    byDocumentId.next(text, entry.hash);
    void run();
  };
  const found = entries.filter(({ name }) => name.toLowerCase().includes(part.toLowerCase()));
  return (
    <section className="trusted" aria-label={words.title}>
      <div className="graphiql-doc-explorer-title">{words.title}</div>
      <label>
        {words.registry}
        <select value={appId ?? ''} onChange={({ target }) => setAppId(target.value || null)}>
          <option value="">{words.builtIn}</option>
          {apps.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <input
        type="search"
        aria-label={words.find}
        placeholder={words.find}
        value={part}
        onChange={({ target }) => setPart(target.value)}
      />
      {problem && <p role="alert">{problem}</p>}
      {busy && <p role="status">{words.loading}</p>}
      {!busy && !problem && entries.length === 0 && <p>{words.empty}</p>}
      <ul>
        {found.map((entry) => (
          <Row key={entry.hash} entry={entry} onShow={() => show(entry)} onRun={() => runIt(entry)} />
        ))}
      </ul>
      {next !== null && (
        <button type="button" className="graphiql-button" onClick={more}>
          {words.more}
        </button>
      )}
    </section>
  );
}

function Row({ entry, onShow, onRun }: { entry: Entry; onShow: () => void; onRun: () => void }) {
  const { hash, name, cost, useCount, retired } = entry;
  const facts = [
    useCount !== null && words.uses(useCount),
    cost !== null && words.cost(cost),
    retired && words.retired,
  ].filter(Boolean);
  return (
    <li>
      <button type="button" className="graphiql-un-styled trusted-name" title={words.show} onClick={onShow}>
        <strong>{name || hash.slice(7, 19)}</strong>
        <code title={hash}>{hash.slice(0, 19)}…</code>
        <small>{facts.join(' · ')}</small>
      </button>
      <button
        type="button"
        className="graphiql-un-styled trusted-run"
        aria-label={`${words.run}: ${name}`}
        title={words.run}
        disabled={retired}
        onClick={onRun}
      >
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          <path d="M4 2.5v11l9-5.5z" fill="currentColor" />
        </svg>
      </button>
    </li>
  );
}

/** The registry's pages so far. Asked again when the headers or the registry change. */
function useDocuments(
  endpoint: string,
  defaultHeaders: string,
  editedHeaders: string | undefined,
  appId: string | null,
  onApps: (apps: ClientApp[]) => void,
) {
  const headers = editedHeaders?.trim() || defaultHeaders;
  const [entries, setEntries] = useState<Entry[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(true);

  const load = async (after: string | null, isCurrent: () => boolean) => {
    setBusy(true);
    setProblem('');
    try {
      const send = sender(endpoint, JSON.parse(headers) as Record<string, string>);
      const page = await listDocuments(send, appId, after);
      if (!isCurrent()) return;
      setEntries((before) => (after === null ? page.entries : [...before, ...page.entries]));
      setNext(page.next);
      if (after === null) onApps(await listApps(send));
    } catch (error) {
      if (isCurrent()) setProblem((error as Error).message);
    } finally {
      if (isCurrent()) setBusy(false);
    }
  };
  useEffect(() => {
    let current = true;
    setEntries([]);
    setNext(null);
    void load(null, () => current);
    return () => {
      current = false;
    };
  }, [headers, appId]);
  return { entries, next, problem, busy, more: () => void load(next, () => true) };
}

const Icon = () => (
  <svg viewBox="0 0 24 24" width="1em" height="1em" fill="none" stroke="currentColor" strokeWidth="1.5">
    <path d="M6 3h9l4 4v14H6zM15 3v4h4M9 14l2.5 2.5L16 12" />
  </svg>
);
