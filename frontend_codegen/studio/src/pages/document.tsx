import { useDocumentQuery } from '@fabula/client/urql';
import { useEffect, useState } from 'react';
import { Link, useLocation, useSearch } from 'wouter';

import { KNOWLEDGE_CONTEXT } from '../api';
import { formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { ChunksPanel } from '../knowledge/chunks-panel';
import { DocumentDeleteDialog, DocumentRenameDialog } from '../knowledge/document-dialogs';
import { Status } from '../knowledge/document-row';
import { spanOf } from '../knowledge/model';
import { TextPanel } from '../knowledge/text-panel';
import { basePath, KNOWLEDGE_PATH } from '../links';
import { problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { Tabs } from '../ui/tabs';

export function DocumentPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const search = useSearch();
  const [active, setActive] = useState<'text' | 'chunks'>('text');
  const [{ data, error, fetching }] = useDocumentQuery({
    variables: { id, start: 0, end: 0, first: 1, after: null },
    context: KNOWLEDGE_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const found = data?.document?.__typename === 'Document' ? data.document : null;
  useEffect(() => {
    document.title = `${found?.title ?? t.knowledge.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [found, t]);
  const lang = found?.language ?? undefined;
  const span = spanOf(search);
  return (
    <Shell>
      <main className="shelf" id="main">
        <Link className="crumb" href={found ? basePath(found.knowledgeBase.id) : KNOWLEDGE_PATH}>
          {found?.knowledgeBase.name ?? t.knowledge.backToBases}
        </Link>
        <ProblemNotice problem={problemOf(t, error)} />
        {!found && !error && <p className="quiet">{fetching ? t.common.loading : t.knowledge.documentGone}</p>}
        {found && <DocumentHead document={found} />}
        {found && (
          <Tabs
            label={found.title}
            active={active}
            onChange={setActive}
            tabs={[
              {
                key: 'text',
                label: t.knowledge.textTab,
                panel: (
                  <TextPanel
                    key={`${found.readyAt} ${search}`}
                    id={id}
                    characters={found.characters}
                    {...{ lang, span }}
                  />
                ),
              },
              {
                key: 'chunks',
                label: t.knowledge.chunksTab,
                panel: <ChunksPanel id={id} lang={lang} stamp={found.readyAt ?? ''} />,
              },
            ]}
          />
        )}
      </main>
    </Shell>
  );
}

type Found = Extract<
  NonNullable<NonNullable<ReturnType<typeof useDocumentQuery>[0]['data']>['document']>,
  { __typename: 'Document' }
>;

function DocumentHead({ document }: { document: Found }) {
  const { t, language } = useTranslation();
  const [, navigate] = useLocation();
  const [open, setOpen] = useState<'rename' | 'delete' | null>(null);
  const close = () => setOpen(null);
  const items = [
    { label: t.knowledge.rename, onSelect: () => setOpen('rename') },
    { label: t.common.delete, danger: true, onSelect: () => setOpen('delete') },
  ];
  const { characters, chunkCount, knowledgeBase } = document;
  return (
    <header className="base-head">
      <div className="base-title">
        <h1>{document.title}</h1>
        <Menu label={t.knowledge.actions(document.title)} trigger={<Icon name="more" />} items={items} />
      </div>
      <Status document={document} />
      <p className="quiet">
        {t.knowledge.facts(formatCount(characters, language), chunkCount, formatCount(chunkCount, language))}
      </p>
      {open === 'rename' && <DocumentRenameDialog document={document} onClose={close} />}
      {open === 'delete' && (
        <DocumentDeleteDialog
          document={document}
          onDeleted={() => navigate(basePath(knowledgeBase.id))}
          onClose={close}
        />
      )}
    </header>
  );
}
