import { useConversationGroupReorderMutation, useConversationUpdateMutation } from '@fabula/client/urql';
import { useState } from 'react';
import { Link } from 'wouter';

import { CONVERSATION_CONTEXT } from '../api';
import { useTranslation } from '../i18n/context';
import { conversationPath, NEW_CHAT_PATH } from '../links';
import { problemOf } from '../problems';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { useDebounced } from '../use-debounced';
import { DeletedDialog, DeleteDialog, GroupDeleteDialog, GroupDialog, MoveDialog, RenameDialog } from './list-dialogs';
import { Found } from './found';
import { type ConversationRow, type Group, shelve } from './model';
import { useConversations } from './use-conversations';

/** What is open above the list. */
export type Open =
  | { kind: 'rename' | 'move' | 'delete'; row: ConversationRow }
  | { kind: 'group' | 'groupDelete'; group: Group }
  | { kind: 'newGroup' | 'deleted' };

interface RailProps {
  current: string | null;
  stamp: number;
  onDeleted: (id: string) => void;
}

/** Every conversation, beside the one that is open. */
export function Rail({ current, stamp, onDeleted }: RailProps) {
  const { t } = useTranslation();
  const [query, setQuery] = useState('');
  const settled = useDebounced(query.trim(), 250);
  const [open, setOpen] = useState<Open | null>(null);
  const list = useConversations(stamp);
  const items = [
    { label: t.chat.newGroup, onSelect: () => setOpen({ kind: 'newGroup' }) },
    { label: t.chat.deleted, onSelect: () => setOpen({ kind: 'deleted' }) },
  ];
  return (
    <nav className="chat-rail" aria-label={t.chat.list}>
      <div className="chat-rail-head">
        <Link className="button button-primary" href={NEW_CHAT_PATH}>
          <Icon name="plus" />
          {t.chat.begin}
        </Link>
        <Menu label={t.chat.listActions} trigger={<Icon name="more" />} items={items} />
      </div>
      <label className="search">
        <Icon name="search" />
        <span className="visually-hidden">{t.chat.search}</span>
        <input
          type="search"
          placeholder={t.chat.search}
          value={query}
          maxLength={200}
          onChange={(event) => setQuery(event.target.value)}
        />
      </label>
      <ProblemNotice problem={problemOf(t, list.error)}>
        <Button onClick={list.refresh}>{t.common.retry}</Button>
      </ProblemNotice>
      {settled ? <Found query={settled} /> : <Shelves list={list} current={current} onOpen={setOpen} />}
      <Dialogs open={open} groups={list.groups} onDeleted={onDeleted} onClose={() => setOpen(null)} />
    </nav>
  );
}

interface ShelvesProps {
  list: ReturnType<typeof useConversations>;
  current: string | null;
  onOpen: (open: Open) => void;
}

function Shelves({ list, current, onOpen }: ShelvesProps) {
  const { t } = useTranslation();
  if (!list.rows) return list.error ? null : <p className="quiet">{t.common.loading}</p>;
  const shelves = shelve(list.rows, list.groups);
  const rows = (of: ConversationRow[]) => (
    <Rows rows={of} current={current} grouped={list.groups.length > 0} onOpen={onOpen} />
  );
  const alone = shelves.pinned.length === 0 && list.groups.length === 0;
  return (
    <div className="chat-shelves">
      {list.rows.length === 0 && list.groups.length === 0 && <p className="empty">{t.chat.none}</p>}
      {shelves.pinned.length > 0 && (
        <section>
          <h2>{t.chat.pinned}</h2>
          {rows(shelves.pinned)}
        </section>
      )}
      {shelves.groups.map(({ group, rows: of }, index) => (
        <section key={group.id}>
          <GroupHead group={group} before={list.groups[index - 2]?.id ?? null} first={index === 0} onOpen={onOpen} />
          {of.length === 0 ? <p className="quiet chat-group-empty">{t.chat.groupEmpty}</p> : rows(of)}
        </section>
      ))}
      {shelves.others.length > 0 && (
        <section>
          {!alone && <h2>{t.chat.others}</h2>}
          {rows(shelves.others)}
        </section>
      )}
      {list.more && <Button onClick={list.more}>{t.common.more}</Button>}
    </div>
  );
}

interface GroupHeadProps {
  group: Group;
  /** The group that it stands behind once it has moved up. */
  before: string | null;
  first: boolean;
  onOpen: (open: Open) => void;
}

function GroupHead({ group, before, first, onOpen }: GroupHeadProps) {
  const { t } = useTranslation();
  const [, reorder] = useConversationGroupReorderMutation();
  const items = [
    { label: t.chat.renameGroup, onSelect: () => onOpen({ kind: 'group', group }) },
    {
      label: t.chat.groupUp,
      disabled: first,
      onSelect: () => void reorder({ input: { id: group.id, afterId: before } }, CONVERSATION_CONTEXT),
    },
    { label: t.chat.deleteGroup, danger: true, onSelect: () => onOpen({ kind: 'groupDelete', group }) },
  ];
  return (
    <div className="row chat-group">
      <h2>{group.name}</h2>
      <Menu label={t.chat.groupActions(group.name)} trigger={<Icon name="more" />} items={items} />
    </div>
  );
}

interface RowsProps {
  rows: ConversationRow[];
  current: string | null;
  grouped: boolean;
  onOpen: (open: Open) => void;
}

function Rows({ rows, current, grouped, onOpen }: RowsProps) {
  const { t } = useTranslation();
  const [, update] = useConversationUpdateMutation();
  const itemsOf = (row: ConversationRow) => [
    {
      label: row.pinned ? t.chat.unpin : t.chat.pin,
      onSelect: () => void update({ input: { id: row.id, pinned: !row.pinned } }, CONVERSATION_CONTEXT),
    },
    { label: t.chat.rename, onSelect: () => onOpen({ kind: 'rename', row }) },
    ...(grouped ? [{ label: t.chat.move, onSelect: () => onOpen({ kind: 'move', row }) }] : []),
    { label: t.common.delete, danger: true, onSelect: () => onOpen({ kind: 'delete', row }) },
  ];
  return (
    <ul>
      {rows.map((row) => {
        const title = row.title || row.topic || t.chat.untitled;
        return (
          <li key={row.id} className="row" data-current={row.id === current || undefined}>
            <Link className="row-title" href={conversationPath(row.id)} aria-current={row.id === current && 'page'}>
              <span className="row-name">{title}</span>
            </Link>
            <Menu label={t.chat.actions(title)} trigger={<Icon name="more" />} items={itemsOf(row)} />
          </li>
        );
      })}
    </ul>
  );
}

interface DialogsProps {
  open: Open | null;
  groups: Group[];
  onDeleted: (id: string) => void;
  onClose: () => void;
}

function Dialogs({ open, groups, onDeleted, onClose }: DialogsProps) {
  switch (open?.kind) {
    case 'rename':
      return <RenameDialog row={open.row} onClose={onClose} />;
    case 'move':
      return <MoveDialog row={open.row} groups={groups} onClose={onClose} />;
    case 'delete':
      return <DeleteDialog row={open.row} onDeleted={() => onDeleted(open.row.id)} onClose={onClose} />;
    case 'group':
      return <GroupDialog group={open.group} onClose={onClose} />;
    case 'groupDelete':
      return <GroupDeleteDialog group={open.group} onClose={onClose} />;
    case 'newGroup':
      return <GroupDialog group={null} onClose={onClose} />;
    case 'deleted':
      return <DeletedDialog onClose={onClose} />;
    default:
      return null;
  }
}
