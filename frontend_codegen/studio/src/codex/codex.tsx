import type { CodexEntryPartsFragment, CodexKind } from '@fabula/client';
import { useCodexEntriesQuery } from '@fabula/client/urql';
import { useState } from 'react';

import { CODEX_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { IconButton } from '../ui/button';
import { ProblemNotice } from '../ui/notice';
import { useDebounced } from '../use-debounced';
import { EntryDialog } from './entry-dialog';
import { CODEX_KINDS } from './kinds';

export function Codex({ projectId, language }: { projectId: string; language: string }) {
  const { t } = useTranslation();
  const [name, setName] = useState('');
  const [editing, setEditing] = useState<CodexEntryPartsFragment | 'new' | null>(null);
  const filter = useDebounced(name.trim(), 250);
  const [{ data, error }] = useCodexEntriesQuery({
    variables: { projectId, filter: filter ? { nameContains: filter } : null },
    context: CODEX_CONTEXT,
  });
  const entries =
    data?.project?.__typename === 'Project' ? data.project.codexEntries.edges.map(({ node }) => node) : [];
  return (
    <section className="codex" aria-label={t.codex.title}>
      <header className="codex-head">
        <h2>{t.codex.title}</h2>
        <IconButton icon="plus" label={t.codex.add} onClick={() => setEditing('new')} />
      </header>
      <input
        type="search"
        aria-label={t.codex.filter}
        placeholder={t.codex.filter}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <ProblemNotice problem={problemOf(t, error)} />
      {data && entries.length === 0 && <p className="quiet">{filter ? t.codex.nothing : t.codex.empty}</p>}
      <div className="codex-groups" lang={language}>
        {CODEX_KINDS.map((kind) => (
          <Group key={kind} kind={kind} entries={entries.filter((entry) => entry.kind === kind)} onEdit={setEditing} />
        ))}
      </div>
      {editing && (
        <EntryDialog
          projectId={projectId}
          entry={editing === 'new' ? null : editing}
          onClose={() => setEditing(null)}
        />
      )}
    </section>
  );
}

interface GroupProps {
  kind: CodexKind;
  entries: CodexEntryPartsFragment[];
  onEdit: (entry: CodexEntryPartsFragment) => void;
}

function Group({ kind, entries, onEdit }: GroupProps) {
  const { t, language } = useTranslation();
  if (entries.length === 0) return null;
  return (
    <div className="codex-group">
      <h3 lang={language === 'zh' ? 'zh-Hans' : 'en'}>{t.codex.groups[kind]}</h3>
      <ul>
        {entries.map((entry) => (
          <li key={entry.id}>
            <button type="button" className="entry" onClick={() => onEdit(entry)}>
              <span className="entry-name">{entry.name}</span>
              {entry.summary && <span className="entry-summary">{entry.summary}</span>}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
