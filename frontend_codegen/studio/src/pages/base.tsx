import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { useTranslation } from '../i18n/context';
import { BaseDeleteDialog, BaseEditDialog } from '../knowledge/base-dialog';
import { WriteDialog } from '../knowledge/document-dialogs';
import { DocumentRow } from '../knowledge/document-row';
import { DropZone } from '../knowledge/drop-zone';
import type { Base } from '../knowledge/model';
import { SearchTester } from '../knowledge/search-tester';
import { useBase } from '../knowledge/use-base';
import { useUploads } from '../knowledge/use-uploads';
import { KNOWLEDGE_PATH } from '../links';
import { problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { Tabs } from '../ui/tabs';

export function BasePage({ id }: { id: string }) {
  const { t } = useTranslation();
  const state = useBase(id);
  const [active, setActive] = useState<'documents' | 'search'>('documents');
  const { base, error, fetching, refetch } = state;
  useEffect(() => {
    document.title = `${base?.name ?? t.knowledge.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [base, t]);
  return (
    <Shell>
      <main className="shelf" id="main">
        <Link className="crumb" href={KNOWLEDGE_PATH}>
          {t.knowledge.backToBases}
        </Link>
        <ProblemNotice problem={problemOf(t, error)}>
          <Button onClick={refetch}>{t.common.retry}</Button>
        </ProblemNotice>
        {!base && !error && <p className="quiet">{fetching ? t.common.loading : t.knowledge.gone}</p>}
        {base && <BaseHead base={base} />}
        {base && (
          <Tabs
            label={base.name}
            active={active}
            onChange={setActive}
            keep
            tabs={[
              { key: 'documents', label: t.knowledge.documentsTab, panel: <Documents base={base} state={state} /> },
              { key: 'search', label: t.knowledge.searchTab, panel: <SearchTester knowledgeBaseId={id} /> },
            ]}
          />
        )}
      </main>
    </Shell>
  );
}

function BaseHead({ base }: { base: Base }) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const [open, setOpen] = useState<'edit' | 'delete' | null>(null);
  const close = () => setOpen(null);
  const items = [
    { label: t.knowledge.edit, onSelect: () => setOpen('edit') },
    { label: t.common.delete, danger: true, onSelect: () => setOpen('delete') },
  ];
  return (
    <header className="base-head">
      <div className="base-title">
        <h1>{base.name}</h1>
        <Menu label={t.knowledge.actions(base.name)} trigger={<Icon name="more" />} items={items} />
      </div>
      {base.description && <p>{base.description}</p>}
      <p className="quiet">
        {t.knowledge.scopes[base.scope]} · {base.embeddingModel}
      </p>
      {open === 'edit' && <BaseEditDialog base={base} onClose={close} />}
      {open === 'delete' && <BaseDeleteDialog base={base} onDeleted={() => navigate(KNOWLEDGE_PATH)} onClose={close} />}
    </header>
  );
}

function Documents({ base: { id, scope }, state }: { base: Base; state: ReturnType<typeof useBase> }) {
  const { t } = useTranslation();
  const { uploads, add, dismiss } = useUploads(id, scope);
  const [writing, setWriting] = useState(false);
  return (
    <>
      <DropZone
        megabytes={scope === 'USER' ? 25 : 100}
        uploads={uploads}
        onFiles={add}
        onDismiss={dismiss}
        onWrite={() => setWriting(true)}
      />
      {state.documents.length === 0 && <p className="empty">{t.knowledge.empty}</p>}
      <ul className="docs">
        {state.documents.map((document) => (
          <DocumentRow key={document.id} document={document} />
        ))}
      </ul>
      {state.more && <Button onClick={state.more}>{t.common.more}</Button>}
      {writing && <WriteDialog knowledgeBaseId={id} onClose={() => setWriting(false)} />}
    </>
  );
}
