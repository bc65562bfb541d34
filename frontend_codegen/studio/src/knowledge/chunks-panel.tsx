import { DocumentDocument } from '@fabula/client';
import { useChunkUpdateMutation, useFabula } from '@fabula/client/urql';
import { useCallback, useEffect, useState } from 'react';

import { formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Ask } from '../ui/ask';
import { Button, IconButton } from '../ui/button';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import type { Chunk } from './model';

const PAGE = 50;

/** The passages that a document was cut into. `stamp` changes when it was cut anew. */
export function ChunksPanel({ id, lang, stamp }: { id: string; lang: string | undefined; stamp: string }) {
  const { t } = useTranslation();
  const { urql } = useFabula();
  const [known, setKnown] = useState<{ chunks: Chunk[]; next: string | null } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const read = useCallback(
    async (after: string | null) => {
      setBusy(true);
      const variables = { id, start: 0, end: 0, first: PAGE, after };
      const options = { requestPolicy: 'network-only' } as const;
      const { data, error } = await urql.query(DocumentDocument, variables, options).toPromise();
      setBusy(false);
      setProblem(problemOf(t, error));
      if (data?.document?.__typename !== 'Document') return;
      const { edges, pageInfo } = data.document.chunks;
      const found = edges.map(({ node }) => node);
      const next = pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null;
      setKnown((before) => ({ chunks: after && before ? [...before.chunks, ...found] : found, next }));
    },
    [urql, id, t],
  );
  useEffect(() => void read(null), [read, stamp]);
  const onChanged = (chunk: Chunk) =>
    setKnown(
      (before) => before && { ...before, chunks: before.chunks.map((one) => (one.id === chunk.id ? chunk : one)) },
    );
  return (
    <>
      <ProblemNotice problem={problem} />
      {!known && <p className="quiet">{t.common.loading}</p>}
      {known?.chunks.length === 0 && <p className="quiet">{t.knowledge.noChunks}</p>}
      <ol className="chunks">
        {known?.chunks.map((chunk) => (
          <ChunkRow key={chunk.id} chunk={chunk} lang={lang} onChanged={onChanged} />
        ))}
      </ol>
      {known?.next && (
        <Button busy={busy} onClick={() => void read(known.next)}>
          {t.common.more}
        </Button>
      )}
    </>
  );
}

interface ChunkRowProps {
  chunk: Chunk;
  lang: string | undefined;
  onChanged: (chunk: Chunk) => void;
}

function ChunkRow({ chunk, lang, onChanged }: ChunkRowProps) {
  const { t, language } = useTranslation();
  const [editing, setEditing] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [{ fetching }, update] = useChunkUpdateMutation();
  const name = t.knowledge.chunk(formatCount(chunk.position + 1, language));
  const change = async (part: { text: string } | { enabled: boolean }) => {
    const { data, error } = await update({ input: { id: chunk.id, ...part } });
    const changed = data?.chunkUpdate.chunk;
    if (changed) onChanged(changed);
    return problemOf(t, error, data?.chunkUpdate.userErrors);
  };
  const facts = [
    ...chunk.headingPath,
    chunk.page !== null && t.knowledge.page(formatCount(chunk.page, language)),
    t.knowledge.tokens(formatCount(chunk.tokens, language)),
    chunk.edited && t.knowledge.edited,
  ];
  return (
    <li className="chunk" data-off={!chunk.enabled || undefined}>
      <header className="chunk-head">
        <h2>{name}</h2>
        <span className="quiet">{facts.filter(Boolean).join(' · ')}</span>
        <label className="check">
          <input
            type="checkbox"
            aria-label={`${name}: ${t.knowledge.enabled}`}
            checked={chunk.enabled}
            disabled={fetching}
            onChange={(event) => void change({ enabled: event.target.checked }).then(setProblem)}
          />
          {chunk.enabled ? t.knowledge.enabled : t.knowledge.off}
        </label>
        <IconButton icon="pencil" label={`${t.knowledge.editChunk}: ${name}`} onClick={() => setEditing(true)} />
      </header>
      <ProblemNotice problem={problem} />
      <p className="chunk-text" lang={lang}>
        {chunk.text}
      </p>
      {editing && (
        <ChunkDialog chunk={chunk} lang={lang} save={(text) => change({ text })} onClose={() => setEditing(false)} />
      )}
    </li>
  );
}

interface ChunkDialogProps {
  chunk: Chunk;
  lang: string | undefined;
  save: (text: string) => Promise<Problem | null>;
  onClose: () => void;
}

function ChunkDialog({ chunk, lang, save, onClose }: ChunkDialogProps) {
  const { t } = useTranslation();
  const [text, setText] = useState(chunk.text);
  return (
    <Ask title={t.knowledge.editChunk} action={t.common.save} wide run={() => save(text)} onClose={onClose}>
      {(problem) => (
        <Field label={t.knowledge.text} hint={t.knowledge.editHint} error={problem?.message}>
          <textarea
            className="serif"
            rows={10}
            lang={lang}
            value={text}
            autoFocus
            onChange={(event) => setText(event.target.value)}
          />
        </Field>
      )}
    </Ask>
  );
}
