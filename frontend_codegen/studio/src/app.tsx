import { FabulaProvider } from '@fabula/client/urql';
import { lazy, Suspense, useMemo, useSyncExternalStore } from 'react';
import { Redirect, Route, Switch } from 'wouter';

import { createClient, session } from './api';
import {
  ASSISTANTS_PATH,
  BUDGETS_PATH,
  CHANNELS_PATH,
  CHAT_PATH,
  INVOICES_PATH,
  KNOWLEDGE_PATH,
  NEW_CHAT_PATH,
  PLAN_PATH,
  SHARED_PATH,
  USAGE_PATH,
  WALLET_PATH,
} from './links';
import { BudgetsPage } from './pages/budgets';
import { ChannelsPage } from './pages/channels';
import { ChapterPage } from './pages/chapter';
import { InvoicesPage } from './pages/invoices';
import { LoginPage } from './pages/login';
import { NotFound } from './pages/not-found';
import { PlanPage } from './pages/plan';
import { ProjectPage } from './pages/project';
import { RegisterPage } from './pages/register';
import { ShelfPage } from './pages/shelf';
import { UsagePage } from './pages/usage';
import { WalletPage } from './pages/wallet';
import { Shell } from './shell/shell';

/** Rooms of their own: whoever only writes does not wait for them. */
const ChatPage = lazy(async () => ({ default: (await import('./pages/chat')).ChatPage }));
const SharedPage = lazy(async () => ({ default: (await import('./pages/shared')).SharedPage }));
const AssistantsPage = lazy(async () => ({ default: (await import('./pages/assistants')).AssistantsPage }));
const AssistantPage = lazy(async () => ({ default: (await import('./pages/assistant')).AssistantPage }));
const KnowledgePage = lazy(async () => ({ default: (await import('./pages/knowledge')).KnowledgePage }));
const BasePage = lazy(async () => ({ default: (await import('./pages/base')).BasePage }));
const DocumentPage = lazy(async () => ({ default: (await import('./pages/document')).DocumentPage }));

export function App() {
  const signedIn = useSyncExternalStore(session.subscribe, () => session.signedIn);
  const client = useMemo(createClient, [signedIn]);
  return (
    <FabulaProvider client={client}>
      <Suspense>{signedIn ? <Inside /> : <Outside />}</Suspense>
    </FabulaProvider>
  );
}

/** A deep link of someone who has to log in first stays in the address bar, and opens afterwards. */
function Outside() {
  return (
    <Switch>
      <Route path="/register" component={RegisterPage} />
      <Route path={SHARED_PATH} component={SharedPage} />
      <Route component={LoginPage} />
    </Switch>
  );
}

function Inside() {
  return (
    <Switch>
      <Route path="/login">
        <Redirect to="/" replace />
      </Route>
      <Route path="/register">
        <Redirect to="/" replace />
      </Route>
      <Route path="/" component={ShelfPage} />
      <Route path={CHANNELS_PATH} component={ChannelsPage} />
      <Route path={USAGE_PATH} component={UsagePage} />
      <Route path={WALLET_PATH} component={WalletPage} />
      <Route path={BUDGETS_PATH} component={BudgetsPage} />
      <Route path={PLAN_PATH} component={PlanPage} />
      <Route path={SHARED_PATH} component={SharedPage} />
      <Route path={ASSISTANTS_PATH} component={AssistantsPage} />
      <Route path={`${ASSISTANTS_PATH}/:id`}>
        {(params) => <AssistantPage key={params.id} id={decodeURIComponent(params.id)} />}
      </Route>
      <Route path={KNOWLEDGE_PATH} component={KnowledgePage} />
      <Route path={`${KNOWLEDGE_PATH}/:id`}>
        {(params) => <BasePage key={params.id} id={decodeURIComponent(params.id)} />}
      </Route>
      <Route path="/documents/:id">
        {(params) => <DocumentPage key={params.id} id={decodeURIComponent(params.id)} />}
      </Route>
      <Route path={CHAT_PATH}>
        <ChatPage shown="list" />
      </Route>
      <Route path={NEW_CHAT_PATH}>
        <ChatPage shown="start" />
      </Route>
      <Route path={`${CHAT_PATH}/:id`}>
        {(params) => <ChatPage shown="conversation" id={decodeURIComponent(params.id)} />}
      </Route>
      <Route path={INVOICES_PATH} component={InvoicesPage} />
      <Route path="/projects/:projectId">{(params) => <ProjectPage id={decodeURIComponent(params.projectId)} />}</Route>
      <Route path="/projects/:projectId/chapters/:chapterId">
        {(params) => (
          <ChapterPage projectId={decodeURIComponent(params.projectId)} id={decodeURIComponent(params.chapterId)} />
        )}
      </Route>
      <Route>
        <Shell>
          <NotFound />
        </Shell>
      </Route>
    </Switch>
  );
}
