import {
  useConversationDeleteMutation,
  useConversationGroupCreateMutation,
  useConversationGroupDeleteMutation,
  useConversationGroupRenameMutation,
  useConversationRestoreMutation,
  useConversationsQuery,
  useConversationUpdateMutation,
} from '@fabula/client/urql';
import { useState } from 'react';

import { CONVERSATION_CONTEXT } from '../api';
import { formatAgo } from '../format';
import { useTranslation } from '../i18n/context';
import { problemOf } from '../problems';
import { Ask } from '../ui/ask';
import { Button } from '../ui/button';
import { Dialog } from '../ui/dialog';
import { Field } from '../ui/field';
import { ProblemNotice } from '../ui/notice';
import type { ConversationRow, Group } from './model';

interface RowProps {
  row: ConversationRow;
  onClose: () => void;
}

export function RenameDialog({ row, onClose }: RowProps) {
  const { t } = useTranslation();
  const [, update] = useConversationUpdateMutation();
  const [title, setTitle] = useState(row.title);
  const run = async () => {
    const { data, error } = await update({ input: { id: row.id, title } }, CONVERSATION_CONTEXT);
    return problemOf(t, error, data?.conversationUpdate.userErrors);
  };
  return (
    <Ask title={t.chat.renameTitle} action={t.common.save} run={run} onClose={onClose}>
      {(problem) => (
        <Field label={t.chat.name} error={problem?.message}>
          <input value={title} autoFocus onChange={(event) => setTitle(event.target.value)} />
        </Field>
      )}
    </Ask>
  );
}

export function MoveDialog({ row, groups, onClose }: RowProps & { groups: Group[] }) {
  const { t } = useTranslation();
  const [, update] = useConversationUpdateMutation();
  const [groupId, setGroupId] = useState(row.group?.id ?? '');
  const run = async () => {
    const input = { id: row.id, ...(groupId ? { groupId } : { ungrouped: true }) };
    const { data, error } = await update({ input }, CONVERSATION_CONTEXT);
    return problemOf(t, error, data?.conversationUpdate.userErrors);
  };
  return (
    <Ask title={t.chat.move} action={t.common.save} run={run} onClose={onClose}>
      {(problem) => (
        <Field label={t.chat.group} error={problem?.message}>
          <select value={groupId} autoFocus onChange={(event) => setGroupId(event.target.value)}>
            <option value="">{t.chat.noGroup}</option>
            {groups.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </Field>
      )}
    </Ask>
  );
}

export function DeleteDialog({ row, onDeleted, onClose }: RowProps & { onDeleted: () => void }) {
  const { t } = useTranslation();
  const [, remove] = useConversationDeleteMutation();
  const run = async () => {
    const { data, error } = await remove({ input: { id: row.id } }, CONVERSATION_CONTEXT);
    const refused = problemOf(t, error, data?.conversationDelete.userErrors);
    if (!refused) onDeleted();
    return refused;
  };
  const title = t.chat.deleteTitle(row.title || row.topic || t.chat.untitled);
  return (
    <Ask title={title} action={t.common.delete} danger run={run} onClose={onClose}>
      {(problem) => (
        <>
          <ProblemNotice problem={problem} />
          <p>{t.chat.deleteText}</p>
        </>
      )}
    </Ask>
  );
}

export function GroupDialog({ group, onClose }: { group: Group | null; onClose: () => void }) {
  const { t } = useTranslation();
  const [, create] = useConversationGroupCreateMutation();
  const [, rename] = useConversationGroupRenameMutation();
  const [name, setName] = useState(group?.name ?? '');
  const run = async () => {
    if (group) {
      const { data, error } = await rename({ input: { id: group.id, name } }, CONVERSATION_CONTEXT);
      return problemOf(t, error, data?.conversationGroupRename.userErrors);
    }
    const { data, error } = await create({ input: { name } }, CONVERSATION_CONTEXT);
    return problemOf(t, error, data?.conversationGroupCreate.userErrors);
  };
  const title = group ? t.chat.renameGroup : t.chat.newGroup;
  return (
    <Ask title={title} action={group ? t.common.save : t.common.create} run={run} onClose={onClose}>
      {(problem) => (
        <Field label={t.chat.groupName} error={problem?.message}>
          <input value={name} autoFocus onChange={(event) => setName(event.target.value)} />
        </Field>
      )}
    </Ask>
  );
}

export function GroupDeleteDialog({ group, onClose }: { group: Group; onClose: () => void }) {
  const { t } = useTranslation();
  const [, remove] = useConversationGroupDeleteMutation();
  const run = async () => {
    const { data, error } = await remove({ input: { id: group.id } }, CONVERSATION_CONTEXT);
    return problemOf(t, error, data?.conversationGroupDelete.userErrors);
  };
  return (
    <Ask title={t.chat.deleteGroup} action={t.common.delete} danger run={run} onClose={onClose}>
      {(problem) => (
        <>
          <ProblemNotice problem={problem} />
          <p>{t.chat.groupDeleted(group.name)}</p>
        </>
      )}
    </Ask>
  );
}

export function DeletedDialog({ onClose }: { onClose: () => void }) {
  const { t, language } = useTranslation();
  const [{ data, error }] = useConversationsQuery({
    variables: { first: 100, after: null, filter: { deleted: true } },
    context: CONVERSATION_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const [restored, restore] = useConversationRestoreMutation();
  const rows = data?.conversations.edges.map(({ node }) => node);
  const problem = problemOf(t, error ?? restored.error, restored.data?.conversationRestore.userErrors);
  return (
    <Dialog title={t.chat.deleted} onClose={onClose} actions={<Button onClick={onClose}>{t.common.close}</Button>}>
      <ProblemNotice problem={problem} />
      {rows?.length === 0 && <p className="quiet">{t.chat.noDeleted}</p>}
      <ul className="lines">
        {rows?.map((row) => {
          const title = row.title || row.topic || t.chat.untitled;
          return (
            <li key={row.id} className="line">
              <span className="line-name">{title}</span>
              {row.deletedAt && <span className="quiet">{formatAgo(row.deletedAt, language, t)}</span>}
              <Button
                aria-label={t.chat.restore(title)}
                onClick={() => void restore({ input: { id: row.id } }, CONVERSATION_CONTEXT)}
              >
                {t.common.restore}
              </Button>
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}
