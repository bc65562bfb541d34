import { useOutlineNodeMoveMutation } from '@fabula/client/urql';
import { useState } from 'react';
import { Link } from 'wouter';

import { formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { chapterPath } from '../links';
import { type Problem, problemOf } from '../problems';
import { IconButton } from '../ui/button';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { AddNodeDialog, DeleteNodeDialog, RenameNodeDialog } from './node-dialogs';
import { childrenOf, type OutlineNode, stepPlace } from './tree';

interface OutlineProps {
  projectId: string;
  nodes: readonly OutlineNode[];
  currentChapterId?: string | undefined;
}

type Task = { kind: 'add'; inside: OutlineNode | null } | { kind: 'rename' | 'delete'; node: OutlineNode };

export function Outline({ projectId, nodes, currentChapterId }: OutlineProps) {
  const { t } = useTranslation();
  const [task, setTask] = useState<Task | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [, move] = useOutlineNodeMoveMutation();

  const onMove = async (node: OutlineNode, step: -1 | 1) => {
    const place = stepPlace(nodes, node, step);
    if (!place) return;
    const { data, error } = await move({ input: { id: node.id, ...place } });
    setProblem(problemOf(t, error, data?.outlineNodeMove.userErrors));
  };
  const branch = { projectId, nodes, currentChapterId, onTask: setTask, onMove };
  const close = () => setTask(null);
  return (
    <nav className="outline" aria-label={t.outline.title}>
      <header className="outline-head">
        <h2>{t.outline.title}</h2>
        <IconButton icon="plus" label={t.outline.add} onClick={() => setTask({ kind: 'add', inside: null })} />
      </header>
      <ProblemNotice problem={problem} />
      {nodes.length === 0 && <p className="quiet">{t.outline.empty}</p>}
      <Branch {...branch} parentId={null} />
      {task?.kind === 'add' && (
        <AddNodeDialog projectId={projectId} nodes={nodes} inside={task.inside} onClose={close} />
      )}
      {task?.kind === 'rename' && <RenameNodeDialog node={task.node} onClose={close} />}
      {task?.kind === 'delete' && <DeleteNodeDialog node={task.node} onClose={close} />}
    </nav>
  );
}

interface BranchProps extends OutlineProps {
  parentId: string | null;
  onTask: (task: Task) => void;
  onMove: (node: OutlineNode, step: -1 | 1) => void;
}

function Branch({ parentId, ...rest }: BranchProps) {
  const children = childrenOf(rest.nodes, parentId);
  if (children.length === 0) return null;
  return (
    <ul className="branch">
      {children.map((node) => (
        <li key={node.id}>
          <Row node={node} {...rest} />
          <Branch {...rest} parentId={node.id} />
        </li>
      ))}
    </ul>
  );
}

function Row({
  node,
  nodes,
  projectId,
  currentChapterId,
  onTask,
  onMove,
}: Omit<BranchProps, 'parentId'> & { node: OutlineNode }) {
  const { t, language } = useTranslation();
  const isCurrent = node.chapter?.id === currentChapterId && node.chapter !== null;
  const items = [
    { label: t.outline.rename, onSelect: () => onTask({ kind: 'rename', node }) },
    { label: t.outline.moveUp, onSelect: () => onMove(node, -1), disabled: !stepPlace(nodes, node, -1) },
    { label: t.outline.moveDown, onSelect: () => onMove(node, 1), disabled: !stepPlace(nodes, node, 1) },
    ...(node.kind === 'SCENE'
      ? []
      : [{ label: t.outline.addInside, onSelect: () => onTask({ kind: 'add' as const, inside: node }) }]),
    { label: t.common.delete, onSelect: () => onTask({ kind: 'delete', node }), danger: true },
  ];
  return (
    <div className={`row row-${node.kind.toLowerCase()}`} data-current={isCurrent || undefined}>
      {node.chapter ? (
        <Link
          className="row-title"
          href={chapterPath(projectId, node.chapter.id)}
          aria-current={isCurrent ? 'page' : undefined}
        >
          <span className={`status status-${node.status.toLowerCase()}`} title={t.outline.statuses[node.status]} />
          <span className="row-name">{node.title}</span>
          <span className="visually-hidden"> ({t.outline.statuses[node.status]})</span>
        </Link>
      ) : (
        <span className="row-title">
          <span className="row-name">{node.title}</span>
        </span>
      )}
      {node.wordCount > 0 && node.chapter && <span className="row-count">{formatCount(node.wordCount, language)}</span>}
      <Menu label={t.outline.actions(node.title)} trigger={<Icon name="more" />} items={items} />
    </div>
  );
}
