import type { OutlineKind } from '@fabula/client';
import {
  useChapterCreateMutation,
  useOutlineNodeCreateMutation,
  useOutlineNodeDeleteMutation,
  useOutlineNodeUpdateMutation,
} from '@fabula/client/urql';
import { useState } from 'react';
import { useLocation } from 'wouter';

import { PROJECT_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { chapterPath } from '../links';
import { type Problem, problemOf } from '../problems';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import { canHold, KINDS, type OutlineNode, usualParent } from './tree';

interface AddProps {
  projectId: string;
  nodes: readonly OutlineNode[];
  inside: OutlineNode | null;
  onClose: () => void;
}

/** A chapter is made by its own mutation, which answers with the id that its page needs. */
function useAdd(projectId: string, onClose: () => void) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const [, createChapter] = useChapterCreateMutation();
  const [, createNode] = useOutlineNodeCreateMutation();
  return async (kind: OutlineKind, title: string, parentId: string | null): Promise<Problem | null> => {
    if (kind === 'CHAPTER') {
      const { data, error } = await createChapter({ input: { projectId, title, parentId } });
      const chapter = data?.chapterCreate.chapter;
      if (!chapter) return problemOf(t, error, data?.chapterCreate.userErrors);
      onClose();
      navigate(chapterPath(projectId, chapter.id));
      return null;
    }
    const { data, error } = await createNode({ input: { projectId, kind, title, parentId } });
    if (!data?.outlineNodeCreate.outlineNode) return problemOf(t, error, data?.outlineNodeCreate.userErrors);
    onClose();
    return null;
  };
}

export function AddNodeDialog({ projectId, nodes, inside, onClose }: AddProps) {
  const { t } = useTranslation();
  const add = useAdd(projectId, onClose);
  const kinds = inside ? KINDS.filter((kind) => canHold(inside.kind, kind)) : KINDS;
  const [kind, setKind] = useState<OutlineKind>(kinds.includes('CHAPTER') ? 'CHAPTER' : (kinds[0] ?? 'SCENE'));
  const [title, setTitle] = useState('');
  const [parentId, setParentId] = useState(inside?.id ?? usualParent(nodes, kind));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const parents = nodes.filter((node) => canHold(node.kind, kind));

  const onKind = (next: OutlineKind) => {
    setKind(next);
    if (!inside) setParentId(usualParent(nodes, next));
  };
  const onSubmit = async () => {
    setBusy(true);
    setProblem(await add(kind, title, parentId));
    setBusy(false);
  };
  const actions = (
    <>
      <Button onClick={onClose}>{t.common.cancel}</Button>
      <Button look="primary" type="submit" busy={busy}>
        {t.common.create}
      </Button>
    </>
  );
  return (
    <Dialog title={t.outline.addTitle} onClose={onClose} onSubmit={() => void onSubmit()} actions={actions}>
      {problem && problem.field !== 'title' && <ProblemNotice problem={problem} />}
      <Field label={t.outline.name} error={problem?.field === 'title' ? problem.message : null}>
        <input value={title} onChange={(event) => setTitle(event.target.value)} autoFocus />
      </Field>
      <Field label={t.outline.kind}>
        <select value={kind} onChange={(event) => onKind(event.target.value as OutlineKind)}>
          {kinds.map((option) => (
            <option key={option} value={option}>
              {t.outline.kinds[option]}
            </option>
          ))}
        </select>
      </Field>
      <Field label={t.outline.inside}>
        <select value={parentId ?? ''} onChange={(event) => setParentId(event.target.value || null)}>
          <option value="">{t.outline.topLevel}</option>
          {parents.map((node) => (
            <option key={node.id} value={node.id}>
              {' '.repeat(2 * node.depth) + node.title}
            </option>
          ))}
        </select>
      </Field>
    </Dialog>
  );
}

export function RenameNodeDialog({ node, onClose }: { node: OutlineNode; onClose: () => void }) {
  const { t } = useTranslation();
  const [{ fetching }, update] = useOutlineNodeUpdateMutation();
  const [title, setTitle] = useState(node.title);
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = async () => {
    const { data, error } = await update({ input: { id: node.id, title } });
    setProblem(problemOf(t, error, data?.outlineNodeUpdate.userErrors));
    if (data?.outlineNodeUpdate.outlineNode) onClose();
  };
  const actions = (
    <>
      <Button onClick={onClose}>{t.common.cancel}</Button>
      <Button look="primary" type="submit" busy={fetching}>
        {t.common.save}
      </Button>
    </>
  );
  return (
    <Dialog title={t.outline.rename} onClose={onClose} onSubmit={() => void onSubmit()} actions={actions}>
      <Field label={t.outline.name} error={problem?.message}>
        <input value={title} onChange={(event) => setTitle(event.target.value)} autoFocus />
      </Field>
    </Dialog>
  );
}

export function DeleteNodeDialog({ node, onClose }: { node: OutlineNode; onClose: () => void }) {
  const { t } = useTranslation();
  const [{ fetching }, remove] = useOutlineNodeDeleteMutation();
  const [problem, setProblem] = useState<Problem | null>(null);
  const onSubmit = async () => {
    const { data, error } = await remove({ input: { id: node.id } }, PROJECT_CONTEXT);
    setProblem(problemOf(t, error, data?.outlineNodeDelete.userErrors));
    if (data?.outlineNodeDelete.deletedId) onClose();
  };
  const actions = (
    <>
      <Button onClick={onClose}>{t.common.cancel}</Button>
      <Button look="danger" type="submit" busy={fetching}>
        {t.common.delete}
      </Button>
    </>
  );
  return (
    <Dialog
      title={t.outline.deleteTitle(node.title)}
      onClose={onClose}
      onSubmit={() => void onSubmit()}
      actions={actions}
    >
      <ProblemNotice problem={problem} />
      <p>{t.outline.deleteText}</p>
    </Dialog>
  );
}
