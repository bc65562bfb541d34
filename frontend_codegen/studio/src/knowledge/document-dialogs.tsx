import { useDocumentCreateMutation, useDocumentDeleteMutation, useDocumentUpdateMutation } from '@fabula/client/urql';
import type { DocumentCreateInput } from '@fabula/client';
import { useState } from 'react';

import { KNOWLEDGE_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Ask } from '../ui/ask';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { useIdempotencyKey } from '../use-idempotency-key';
import type { BaseDocument } from './model';

interface DocumentDialogProps {
  document: Pick<BaseDocument, 'id' | 'title'>;
  onDeleted?: () => void;
  onClose: () => void;
}

export function DocumentRenameDialog({ document, onClose }: DocumentDialogProps) {
  const { t } = useTranslation();
  const [, update] = useDocumentUpdateMutation();
  const [title, setTitle] = useState(document.title);
  const run = async () => {
    const { data, error } = await update({ id: document.id, title }, KNOWLEDGE_CONTEXT);
    return problemOf(t, error, data?.documentUpdate.userErrors);
  };
  return (
    <Ask title={t.knowledge.renameTitle} action={t.common.save} run={run} onClose={onClose}>
      {(problem) => (
        <Field label={t.knowledge.documentTitle} error={problem?.message}>
          <input value={title} autoFocus onChange={(event) => setTitle(event.target.value)} />
        </Field>
      )}
    </Ask>
  );
}

export function DocumentDeleteDialog({ document, onDeleted, onClose }: DocumentDialogProps) {
  const { t } = useTranslation();
  const [, remove] = useDocumentDeleteMutation();
  const run = async () => {
    const { data, error } = await remove({ id: document.id }, KNOWLEDGE_CONTEXT);
    const refused = problemOf(t, error, data?.documentDelete.userErrors);
    if (!refused) onDeleted?.();
    return refused;
  };
  const title = t.knowledge.deleteTitle(document.title);
  return (
    <Ask title={title} action={t.common.delete} danger run={run} onClose={onClose}>
      {(problem) => (
        <>
          <ProblemNotice problem={problem} />
          <p>{t.knowledge.deleteDocument}</p>
        </>
      )}
    </Ask>
  );
}

/** A text that is typed or pasted, as a document. */
export function WriteDialog({ knowledgeBaseId, onClose }: { knowledgeBaseId: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [, create] = useDocumentCreateMutation();
  const keyed = useIdempotencyKey<DocumentCreateInput>();
  const [title, setTitle] = useState('');
  const [text, setText] = useState('');
  const run = async () => {
    const input = keyed.add({ knowledgeBaseId, text, title });
    const { data, error } = await create({ input }, KNOWLEDGE_CONTEXT);
    if (data) keyed.forget();
    return problemOf(t, error, data?.documentCreate.userErrors);
  };
  return (
    <Ask title={t.knowledge.writeTitle} action={t.common.create} wide run={run} onClose={onClose}>
      {(problem) => (
        <>
          <ProblemNotice problem={problem?.field === 'title' || problem?.field === 'text' ? null : problem} />
          <Field label={t.knowledge.documentTitle} error={problem?.field === 'title' ? problem.message : null}>
            <input value={title} autoFocus onChange={(event) => setTitle(event.target.value)} />
          </Field>
          <Field label={t.knowledge.text} error={problem?.field === 'text' ? problem.message : null}>
            <textarea className="serif" rows={12} value={text} onChange={(event) => setText(event.target.value)} />
          </Field>
        </>
      )}
    </Ask>
  );
}
