import type { ReactionKind } from '@fabula/client';
import {
  useAssistantInstallMutation,
  useAssistantQuery,
  useAssistantRateMutation,
  useAssistantReactMutation,
  useAssistantUninstallMutation,
  useAssistantUnpublishMutation,
  useMeQuery,
} from '@fabula/client/urql';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';

import { ASSISTANT_CONTEXT } from '../api';
import { AboutDialog, AssistantDeleteDialog, PublishDialog, ReviewDialog, VersionDialog } from '../assistants/dialogs';
import type { AssistantVersion, OpenAssistant } from '../assistants/model';
import { formatAgo, formatCount } from '../format';
import { useTranslation } from '../i18n/context';
import { ASSISTANTS_PATH, newChatPath } from '../links';
import { type Problem, problemOf } from '../problems';
import { Shell } from '../shell/shell';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';
import { Menu } from '../ui/menu';
import { ProblemNotice } from '../ui/notice';
import { AssistantFacts } from './assistants';

export function AssistantPage({ id }: { id: string }) {
  const { t } = useTranslation();
  const [{ data, error, fetching }] = useAssistantQuery({
    variables: { id, first: 50 },
    context: ASSISTANT_CONTEXT,
    requestPolicy: 'cache-and-network',
  });
  const assistant = data?.node?.__typename === 'Assistant' ? data.node : null;
  useEffect(() => {
    document.title = `${assistant?.name ?? t.assistants.title} · ${t.brand}`;
    return () => void (document.title = t.brand);
  }, [assistant, t]);
  return (
    <Shell>
      <main className="shelf" id="main">
        <Link className="crumb" href={ASSISTANTS_PATH}>
          {t.assistants.back}
        </Link>
        <ProblemNotice problem={problemOf(t, error)} />
        {!assistant && !error && <p className="quiet">{fetching ? t.common.loading : t.assistants.gone}</p>}
        {assistant && <Head assistant={assistant} />}
        {assistant && <Reactions assistant={assistant} />}
        {assistant && <Versions assistant={assistant} />}
        {assistant && <Reviews assistant={assistant} />}
      </main>
    </Shell>
  );
}

type Open = 'about' | 'publish' | 'delete';

/** Who may change it is decided by the server; this only says what to offer. */
function useIsMine(assistant: OpenAssistant): boolean {
  const [{ data }] = useMeQuery();
  return assistant.owner !== null && assistant.owner.id === data?.me.user?.id;
}

function Head({ assistant }: { assistant: OpenAssistant }) {
  const { t } = useTranslation();
  const [, navigate] = useLocation();
  const mine = useIsMine(assistant);
  const [open, setOpen] = useState<Open | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [, unpublish] = useAssistantUnpublishMutation();
  const close = () => setOpen(null);
  const withdraw = async () => {
    const { data, error } = await unpublish({ input: { assistantId: assistant.id } }, ASSISTANT_CONTEXT);
    setProblem(problemOf(t, error, data?.assistantUnpublish.userErrors));
  };
  const items = [
    { label: t.assistants.edit, onSelect: () => setOpen('about') },
    { label: t.assistants.publish, disabled: !assistant.currentVersion, onSelect: () => setOpen('publish') },
    { label: t.assistants.unpublish, disabled: assistant.visibility === 'PRIVATE', onSelect: () => void withdraw() },
    { label: t.common.delete, danger: true, onSelect: () => setOpen('delete') },
  ];
  return (
    <header className="base-head">
      <div className="base-title">
        <h1>{assistant.name}</h1>
        {mine && <Menu label={t.assistants.actions(assistant.name)} trigger={<Icon name="more" />} items={items} />}
      </div>
      {assistant.description && <p>{assistant.description}</p>}
      <AssistantFacts assistant={assistant} />
      <ProblemNotice problem={problem} />
      {open === 'about' && <AboutDialog assistant={assistant} onClose={close} />}
      {open === 'publish' && <PublishDialog assistant={assistant} onClose={close} />}
      {open === 'delete' && (
        <AssistantDeleteDialog assistant={assistant} onDeleted={() => navigate(ASSISTANTS_PATH)} onClose={close} />
      )}
    </header>
  );
}

function Reactions({ assistant }: { assistant: OpenAssistant }) {
  const { t } = useTranslation();
  const { id: assistantId, viewer } = assistant;
  const [problem, setProblem] = useState<Problem | null>(null);
  const [reviewing, setReviewing] = useState(false);
  const [, react] = useAssistantReactMutation();
  const [, rate] = useAssistantRateMutation();
  const [, install] = useAssistantInstallMutation();
  const [, uninstall] = useAssistantUninstallMutation();
  const toggle = async (kind: ReactionKind, on: boolean) => {
    const { data, error } = await react({ input: { assistantId, kind, on } }, ASSISTANT_CONTEXT);
    setProblem(problemOf(t, error, data?.assistantReact.userErrors));
  };
  const onRate = async (rating: number) => {
    const { data, error } = await rate({ input: { assistantId, rating, words: viewer.words } }, ASSISTANT_CONTEXT);
    setProblem(problemOf(t, error, data?.assistantRate.userErrors));
  };
  const onInstall = async () => {
    const { data, error } = await install({ input: { assistantId } }, ASSISTANT_CONTEXT);
    setProblem(problemOf(t, error, data?.assistantInstall.userErrors));
  };
  const onUninstall = async () => {
    const { data, error } = await uninstall({ input: { assistantId } }, ASSISTANT_CONTEXT);
    setProblem(problemOf(t, error, data?.assistantUninstall.userErrors));
  };
  const installed = viewer.installedVersion !== null;
  return (
    <>
      <div className="reactions">
        {(assistant.currentVersion || installed) && (
          <Link className="button button-primary" href={newChatPath(assistantId)}>
            {t.assistants.begin}
          </Link>
        )}
        {(!installed || viewer.updateAvailable) && (
          <Button onClick={() => void onInstall()}>{installed ? t.assistants.update : t.assistants.install}</Button>
        )}
        {installed && <Button onClick={() => void onUninstall()}>{t.assistants.uninstall}</Button>}
        <Button
          icon={viewer.liked ? 'check' : 'plus'}
          aria-pressed={viewer.liked}
          onClick={() => void toggle('LIKE', !viewer.liked)}
        >
          {t.assistants.like}
        </Button>
        <Button
          icon={viewer.favourite ? 'check' : 'plus'}
          aria-pressed={viewer.favourite}
          onClick={() => void toggle('FAVOURITE', !viewer.favourite)}
        >
          {t.assistants.favourite}
        </Button>
        <label className="rating">
          {t.assistants.rating}
          <select value={viewer.rating ?? ''} onChange={(event) => void onRate(Number(event.target.value))}>
            {viewer.rating === null && <option value="">{t.assistants.notRated}</option>}
            {[1, 2, 3, 4, 5].map((n) => (
              <option key={n} value={n}>
                {t.assistants.stars(n)}
              </option>
            ))}
          </select>
        </label>
        {viewer.rating !== null && (
          <Button look="quiet" onClick={() => setReviewing(true)}>
            {t.assistants.review}
          </Button>
        )}
      </div>
      <ProblemNotice problem={problem} />
      {reviewing && <ReviewDialog assistant={assistant} onClose={() => setReviewing(false)} />}
    </>
  );
}

function Reviews({ assistant: { reviews } }: { assistant: OpenAssistant }) {
  const { t, language } = useTranslation();
  if (reviews.length === 0) return null;
  return (
    <section>
      <header className="versions-head">
        <h2>{t.assistants.reviews}</h2>
      </header>
      <ul>
        {reviews.map(({ rating, words, at }) => (
          <li key={at} className="review">
            <p>{words}</p>
            <p className="quiet">
              {t.assistants.stars(rating)} · {formatAgo(at, language, t)}
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Versions({ assistant }: { assistant: OpenAssistant }) {
  const { t } = useTranslation();
  const mine = useIsMine(assistant);
  const [writing, setWriting] = useState(false);
  const versions = assistant.versions.edges.map(({ node }) => node);
  return (
    <section>
      <header className="versions-head">
        <h2>{t.assistants.versions}</h2>
        {mine && (
          <Button icon="pencil" onClick={() => setWriting(true)}>
            {t.assistants.newVersion}
          </Button>
        )}
      </header>
      {versions.length === 0 && <p className="empty">{t.assistants.noVersion}</p>}
      <ol>
        {versions.map((version) => (
          <VersionItem key={version.id} version={version} assistant={assistant} />
        ))}
      </ol>
      {writing && (
        <VersionDialog
          assistantId={assistant.id}
          from={versions.find(({ id }) => id === assistant.currentVersion?.id) ?? null}
          onClose={() => setWriting(false)}
        />
      )}
    </section>
  );
}

function VersionItem({ version, assistant }: { version: AssistantVersion; assistant: OpenAssistant }) {
  const { t, language } = useTranslation();
  const current = version.id === assistant.currentVersion?.id;
  return (
    <li className="assistant-version">
      <details open={current}>
        <summary>
          {t.assistants.version(formatCount(version.number, language))}
          {current && <span className="badge">{t.assistants.current}</span>}
          {version.id === assistant.publishedVersion?.id && <span className="badge">{t.assistants.published}</span>}
          <span className="quiet">
            {[version.changelog, formatAgo(version.createdAt, language, t)].filter(Boolean).join(' · ')}
          </span>
        </summary>
        <p className="chunk-text">{version.prompt}</p>
        {version.greeting && <p className="quiet">{version.greeting}</p>}
        {version.openingMessages.length > 0 && (
          <ul className="openings">
            {version.openingMessages.map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        )}
      </details>
    </li>
  );
}
