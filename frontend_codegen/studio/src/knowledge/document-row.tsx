import { useDocumentReingestMutation } from '@fabula/client/urql';
import { useState } from 'react';
import { Link } from 'wouter';

import { KNOWLEDGE_CONTEXT, randomKey } from '../api';
import { formatAgo, formatCompact, formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { documentPath } from '../links';
import { type Problem, problemOf } from '../problems';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { DocumentDeleteDialog, DocumentRenameDialog } from './document-dialogs';
import { type BaseDocument, isSettled } from './model';

/** One document of a base: what it is called, how far it is, and what can be done. */
export function DocumentRow({ document }: { document: BaseDocument }) {
  const { t, language } = useTranslation();
  const [open, setOpen] = useState<'rename' | 'delete' | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [, reingest] = useDocumentReingestMutation();
  const { id, title, state, readyAt, characters, chunkCount } = document;
  const again = async () => {
    const { data, error } = await reingest({ id, idempotencyKey: randomKey() }, KNOWLEDGE_CONTEXT);
    setProblem(problemOf(t, error, data?.documentReingest.userErrors));
  };
  const close = () => setOpen(null);
  const items = [
    { label: t.knowledge.rename, onSelect: () => setOpen('rename') },
    { label: t.knowledge.reingest, disabled: !isSettled(state), onSelect: () => void again() },
    { label: t.common.delete, danger: true, onSelect: () => setOpen('delete') },
  ];
  const facts = t.knowledge.facts(formatCompact(characters, language), chunkCount, formatCount(chunkCount, language));
  return (
    <li className="doc">
      <div className="doc-words">
        <Link className="doc-title" href={documentPath(id)}>
          {title}
        </Link>
        <Status document={document} />
        {state === 'READY' && (
          <p className="quiet">
            {facts}
            {readyAt && ` · ${t.knowledge.readyAgo(formatAgo(readyAt, language, t))}`}
          </p>
        )}
        <ProblemNotice problem={problem} />
      </div>
      <Menu label={t.knowledge.actions(title)} trigger={<Icon name="more" />} items={items} />
      {open === 'rename' && <DocumentRenameDialog document={document} onClose={close} />}
      {open === 'delete' && <DocumentDeleteDialog document={document} onClose={close} />}
    </li>
  );
}

/** How far a document is, told while it changes. */
export function Status({ document }: { document: BaseDocument }) {
  const { t, language } = useTranslation();
  const { state, progress, errorCode, errorMessage, title } = document;
  const why = errorCode ? (t.knowledge.errors[errorCode] ?? errorMessage) : errorMessage;
  const moving = !isSettled(state);
  return (
    <div className="doc-status" data-state={state}>
      <span>{t.knowledge.states[state]}</span>
      {moving && <span className="quiet">{formatCount(progress, language)} %</span>}
      {moving && <progress max={100} value={progress} aria-label={t.knowledge.progressOf(title)} />}
      {state === 'FAILED' && why && <span className="doc-why">{why}</span>}
    </div>
  );
}
