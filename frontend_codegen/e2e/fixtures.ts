/** What every test starts from: a page that may not misbehave, and the API for setting things up and looking behind. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import {
  type APIRequestContext,
  type BrowserContext,
  expect,
  type Page,
  type Route,
  test as base,
} from '@playwright/test';
import type { AxeResults } from 'axe-core';

export { expect };

export interface Api {
  token: string;
  /** The data of an operation; a GraphQL error fails the test. */
  run<T>(query: string, variables?: Record<string, unknown>): Promise<T>;
}

interface Demo {
  email: string;
  password: string;
}

interface Fixtures {
  demo: Demo;
  api: Api;
  /** The oldest project: the sample novel that the demo comes with. */
  sample: { id: string; title: string };
  /** A project with one empty chapter, for this test alone. */
  novel: { projectId: string; chapterId: string; path: string };
}

/** One sign-in serves many tests: the server lets nobody try more than sixty times in five minutes. */
const KEPT_MS = 10 * 60_000;
let kept: { token: string; until: number } | null = null;

async function connect(request: APIRequestContext, { email, password }: Demo): Promise<Api> {
  const post = async <T>(query: string, variables: object, token?: string): Promise<T> => {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const response = await request.post('/graphql', { headers, data: { query, variables } });
    const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
    expect(errors, `of ${query}`).toBeUndefined();
    return data;
  };
  if (!kept || kept.until < Date.now()) {
    const login = `mutation ($input: LoginInput!) { login(input: $input) { tokens { accessToken } } }`;
    const answer = await post<{ login: { tokens: { accessToken: string } } }>(login, { input: { email, password } });
    kept = { token: answer.login.tokens.accessToken, until: Date.now() + KEPT_MS };
  }
  const { token } = kept;
  return { token, run: (query, variables = {}) => post(query, variables, token) };
}

export async function makeNovel(api: Api, title: string, language = 'en') {
  const project = `mutation ($input: ProjectCreateInput!) { projectCreate(input: $input) { project { id } } }`;
  const made = await api.run<{ projectCreate: { project: { id: string } } }>(project, { input: { title, language } });
  const projectId = made.projectCreate.project.id;
  const chapter = `mutation ($input: ChapterCreateInput!) { chapterCreate(input: $input) { chapter { id } } }`;
  const input = { projectId, title: language === 'zh' ? '第一章' : 'Chapter One' };
  const { chapterCreate } = await api.run<{ chapterCreate: { chapter: { id: string } } }>(chapter, { input });
  const chapterId = chapterCreate.chapter.id;
  const path = `/projects/${encodeURIComponent(projectId)}/chapters/${encodeURIComponent(chapterId)}`;
  return { projectId, chapterId, path };
}

export async function dropNovel(api: Api, id: string): Promise<void> {
  await api.run(`mutation ($input: ProjectDeleteInput!) { projectDelete(input: $input) { userErrors { code } } }`, {
    input: { id },
  });
}

export async function makeChannel(api: Api, input: object): Promise<string> {
  const create = `mutation ($input: ChannelCreateInput!) {
    channelCreate(input: $input) { channel { id } userErrors { message } } }`;
  const { channelCreate } = await api.run<{ channelCreate: { channel: { id: string } } }>(create, { input });
  return channelCreate.channel.id;
}

export async function dropChannel(api: Api, id: string): Promise<void> {
  await api.run(`mutation ($input: ChannelDeleteInput!) { channelDelete(input: $input) { deletedId } }`, {
    input: { id },
  });
}

export async function makeConversation(api: Api, input: object = {}): Promise<{ id: string; path: string }> {
  const create = `mutation ($input: ConversationCreateInput!) {
    conversationCreate(input: $input) { conversation { id } userErrors { message } } }`;
  const made = await api.run<{ conversationCreate: { conversation: { id: string } } }>(create, { input });
  const { id } = made.conversationCreate.conversation;
  return { id, path: `/chat/${encodeURIComponent(id)}` };
}

/** What was said once its answer is whole: one word, unless it is told otherwise. */
export async function say(api: Api, conversationId: string, text: string, how = pace(1, 0)): Promise<string> {
  const send = `mutation ($input: MessageSendInput!) {
    messageSend(input: $input) { ... on MessageAccepted { said: message { id } } } }`;
  const input = { conversationId, text: `${text} ${how}`, idempotencyKey: `e2e-${conversationId}-${text}` };
  const { messageSend } = await api.run<{ messageSend: { said: { id: string } } }>(send, { input });
  const last = `query ($id: ID!) { conversation(id: $id) { activePath(last: 1) { state } } }`;
  const state = async () =>
    (await api.run<{ conversation: { activePath: { state: string }[] } }>(last, { id: conversationId })).conversation
      .activePath[0]!.state;
  await expect.poll(state, { intervals: [50], timeout: 20_000 }).toBe('COMPLETE');
  return messageSend.said.id;
}

/** A base with one document that is ready to be found. */
export async function makeBase(api: Api, name: string, text: string): Promise<string> {
  const create = `mutation ($input: KnowledgeBaseCreateInput!) {
    knowledgeBaseCreate(input: $input) { knowledgeBase { id } } }`;
  const made = await api.run<{ knowledgeBaseCreate: { knowledgeBase: { id: string } } }>(create, { input: { name } });
  const { id } = made.knowledgeBaseCreate.knowledgeBase;
  const add = `mutation ($input: DocumentCreateInput!) { documentCreate(input: $input) { document { id } } }`;
  const input = { knowledgeBaseId: id, text, title: 'The harbour book', idempotencyKey: `e2e-${id}` };
  const { documentCreate } = await api.run<{ documentCreate: { document: { id: string } } }>(add, { input });
  const state = `query ($id: ID!) { node(id: $id) { ... on Document { state errorMessage } } }`;
  await expect
    .poll(
      async () => (await api.run<{ node: { state: string } }>(state, { id: documentCreate.document.id })).node.state,
      { timeout: 45_000 },
    )
    .toBe('READY');
  return id;
}

export async function makeAssistant(api: Api, name: string): Promise<string> {
  const create = `mutation ($input: AssistantCreateInput!) { assistantCreate(input: $input) { assistant { id } } }`;
  const made = await api.run<{ assistantCreate: { assistant: { id: string } } }>(create, {
    input: { name, category: 'WORLD' },
  });
  const { id } = made.assistantCreate.assistant;
  const write = `mutation ($input: AssistantVersionCreateInput!) {
    assistantVersionCreate(input: $input) { userErrors { message } } }`;
  const words = { greeting: 'I keep the **harbour book**.', openingMessages: ['Ask me for a ship.'] };
  await api.run(write, { input: { assistantId: id, prompt: 'Answer as a harbour master.', ...words } });
  return id;
}

/** Errors of the page, violations of its content security policy and requests to other hosts fail the test. */
export function watchForTrouble(context: BrowserContext, baseURL: string): string[] {
  const trouble: string[] = [];
  const own = new URL(baseURL).host;
  context.on('weberror', (error) => trouble.push(`error: ${error.error().message}`));
  context.on('console', (message) => {
    if (/content security policy/i.test(message.text())) trouble.push(`policy: ${message.text()}`);
  });
  context.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (/^(http|ws)s?:$/.test(protocol) && host !== own) trouble.push(`foreign request: ${request.url()}`);
  });
  return trouble;
}

export const test = base.extend<Fixtures>({
  context: async ({ context, baseURL }, use) => {
    const trouble = watchForTrouble(context, baseURL!);
    await use(context);
    expect(trouble).toEqual([]);
  },
  demo: async ({ request }, use) => {
    await use((await (await request.get('/demo.json')).json()) as Demo);
  },
  api: async ({ request, demo }, use) => {
    await use(await connect(request, demo));
  },
  sample: async ({ api }, use) => {
    const query = `{ projects(first: 1, orderBy: {field: CREATED_AT, direction: ASC}) { edges { node { id title } } } }`;
    const { projects } = await api.run<{ projects: { edges: { node: { id: string; title: string } }[] } }>(query);
    await use(projects.edges[0]!.node);
  },
  novel: async ({ api }, use, info) => {
    const novel = await makeNovel(api, info.title.slice(0, 80));
    await use(novel);
    await dropNovel(api, novel.projectId);
  },
});

export async function enterDemo(page: Page, path = '/'): Promise<void> {
  await page.goto(path);
  await page.getByRole('button', { name: /Enter the demo|进入演示/ }).click();
  // Narrow windows show no link home beside a novel's title.
  await expect(page.getByRole('button', { name: /^(Account|账户)/ })).toBeVisible();
}

/** Change what the server answers to an operation. */
export async function answerAs(page: Page, operation: string, change: (data: never) => void): Promise<void> {
  await page.route('**/graphql', async (route: Route) => {
    if (!route.request().postData()?.includes(`"operationName":"${operation}"`)) return route.fallback();
    const response = await route.fetch();
    const answer = (await response.json()) as { data: never };
    change(answer.data);
    await route.fulfill({ response, json: answer });
  });
}

/** The offline engine writes this many pieces, this far apart, when its instructions say so. */
export const pace = (chunks: number, delayMs: number) => `[demo:chunks=${chunks} delay_ms=${delayMs}]`;

export const draftOf = (page: Page) => page.getByRole('region', { name: /^(Draft|草稿)$/ });
export const editorOf = (page: Page) => page.getByRole('textbox', { name: /^(Text of the chapter|本章正文)$/ });
export const textOf = (page: Page) => draftOf(page).evaluate((element) => element.textContent ?? '');

export async function startDraft(page: Page, instructions: string): Promise<void> {
  await page.getByLabel(/^(Instructions for this draft|这一稿的要求)$/).fill(instructions);
  await page.getByRole('button', { name: /^(Write this chapter|写这一章)$/ }).click();
  await expect(draftOf(page)).toBeVisible();
}

export async function waitForLength(page: Page, length: number): Promise<string> {
  await expect.poll(async () => (await textOf(page)).length, { intervals: [20] }).toBeGreaterThan(length);
  return textOf(page);
}

export const waitForEnd = (page: Page) =>
  expect(draftOf(page)).toHaveAttribute('aria-busy', 'false', { timeout: 45_000 });

export interface StoredGeneration {
  id: string;
  state: string;
  text: string;
  version: { id: string; text: string; state: string } | null;
}

/** The newest generation of a chapter as the database has it. */
export async function storedGeneration(api: Api, chapterId: string): Promise<StoredGeneration> {
  const query = `query ($id: ID!) { node(id: $id) { ... on Chapter {
    generations(first: 1) { edges { node { id state text version { id text state } } } } } } }`;
  const { node } = await api.run<{ node: { generations: { edges: { node: StoredGeneration }[] } } }>(query, {
    id: chapterId,
  });
  return node.generations.edges[0]!.node;
}

interface StreamFrame {
  __typename: string;
  seq: number;
  cursor: string;
  text?: string;
}

/** What the socket brought, so that a test can put the text together itself instead of trusting the page. */
export function recordFrames(page: Page) {
  const events: StreamFrame[] = [];
  const subscriptions: { id: string; after: string | null }[] = [];
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => {
      const message = JSON.parse(String(payload)) as {
        type: string;
        payload?: { variables: { id: string; after: string | null } };
      };
      if (message.type === 'subscribe') subscriptions.push(message.payload!.variables);
    });
    socket.on('framereceived', ({ payload }) => {
      const message = JSON.parse(String(payload)) as {
        type: string;
        payload?: { data?: { generationEvents?: StreamFrame } };
      };
      const event = message.payload?.data?.generationEvents;
      if (message.type === 'next' && event) events.push(event);
    });
  });
  const text = () =>
    events.reduce((so_far, event) => {
      if (event.__typename === 'StreamReset') return '';
      if (event.__typename === 'StreamSnapshot') return event.text!;
      return event.__typename === 'TextDelta' ? so_far + event.text! : so_far;
    }, '');
  return { events, subscriptions, text };
}

/** How often the socket has brought something of a subscription's field. */
export function countEvents(page: Page, field: string): () => number {
  let count = 0;
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      const message = JSON.parse(String(payload)) as { payload?: { data?: Record<string, unknown> } };
      if (message.payload?.data?.[field]) count += 1;
    }),
  );
  return () => count;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds on the page: contrast, names, roles, structure. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
}
