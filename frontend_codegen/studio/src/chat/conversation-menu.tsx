import { ConversationExportDocument, type ExportFormat } from '@fabula/client';
import { useConversationUpdateMutation, useFabula } from '@fabula/client/urql';
import { useState } from 'react';

import { CONVERSATION_CONTEXT } from '../api';
import { saveText } from '../download';
import { useTranslation } from '../i18n/context';
import { type Problem, problemOf } from '../problems';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { DeleteDialog, RenameDialog } from './list-dialogs';
import type { Conversation } from './model';
import { SettingsDialog } from './settings-dialog';
import { ShareDialog } from './share-dialog';

type Open = 'rename' | 'settings' | 'share' | 'delete';

export function ConversationMenu({ conversation, onDeleted }: { conversation: Conversation; onDeleted: () => void }) {
  const { t } = useTranslation();
  const { urql } = useFabula();
  const [open, setOpen] = useState<Open | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [, update] = useConversationUpdateMutation();
  const { id, pinned } = conversation;
  const close = () => setOpen(null);
  const save = async (format: ExportFormat) => {
    const variables = { id, format };
    const options = { requestPolicy: 'network-only' } as const;
    const { data, error } = await urql.query(ConversationExportDocument, variables, options).toPromise();
    setProblem(problemOf(t, error));
    if (data) saveText(data.conversationExport);
  };
  const items = [
    { label: t.chat.settings, onSelect: () => setOpen('settings') },
    { label: t.chat.rename, onSelect: () => setOpen('rename') },
    {
      label: pinned ? t.chat.unpin : t.chat.pin,
      onSelect: () => void update({ input: { id, pinned: !pinned } }, CONVERSATION_CONTEXT),
    },
    { label: t.chat.share, onSelect: () => setOpen('share') },
    { label: t.chat.exportMarkdown, onSelect: () => void save('MARKDOWN') },
    { label: t.chat.exportJson, onSelect: () => void save('JSON') },
    { label: t.common.delete, danger: true, onSelect: () => setOpen('delete') },
  ];
  const title = conversation.title || conversation.topic || t.chat.untitled;
  return (
    <>
      <ProblemNotice problem={problem} />
      <Menu label={t.chat.actions(title)} trigger={<Icon name="more" />} items={items} />
      {open === 'rename' && <RenameDialog row={conversation} onClose={close} />}
      {open === 'settings' && <SettingsDialog conversation={conversation} onClose={close} />}
      {open === 'share' && <ShareDialog id={id} onClose={close} />}
      {open === 'delete' && <DeleteDialog row={conversation} onDeleted={onDeleted} onClose={close} />}
    </>
  );
}
