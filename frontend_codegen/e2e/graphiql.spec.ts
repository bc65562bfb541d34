/** The self-hosted GraphiQL: offline, under the policy that the server sends, with the headers editor as its login. */
import { createHash } from 'node:crypto';

import type { Page } from '@playwright/test';

import { expect, test } from './fixtures';

const setEditor = async (page: Page, selector: string, text: string) => {
  await page.locator(`${selector} .monaco-editor:visible`).first().click();
  await page.keyboard.press('Control+a');
  await page.evaluate((value) => navigator.clipboard.writeText(value), text);
  await page.keyboard.press('Control+v');
};
const result = (page: Page) => page.locator('.result-window .view-lines');
const flat = async (page: Page) => (await result(page).innerText()).replace(/\u00a0/g, ' ');
const press = (page: Page) => page.getByRole('button', { name: /Execute query/ }).click();

test.use({ permissions: ['clipboard-read', 'clipboard-write'] });

test('the first press of the button answers with the demo’s novels', async ({ page }) => {
  await page.goto('/graphiql/');
  await expect(page.getByText('query Projects').first()).toBeVisible();
  await press(page);
  await expect(result(page)).toContainText('"projects"');
  await page.screenshot({ path: 'e2e/artifacts/graphiql.png' });
});

test('a query is sent with what the headers editor says', async ({ page, api }) => {
  await page.goto('/graphiql/');
  await setEditor(page, '.graphiql-query-editor', '{ me { role } }');
  await setEditor(page, '.graphiql-editor-tool', JSON.stringify({ authorization: 'Bearer nonsense' }));
  await press(page);
  await expect(result(page)).toContainText('UNAUTHENTICATED');
  await setEditor(page, '.graphiql-editor-tool', JSON.stringify({ authorization: `Bearer ${api.token}` }));
  await press(page);
  await expect(result(page)).toContainText('"role"');
});

test('a subscription streams over the socket with the same headers', async ({ page, api, novel }) => {
  const start = `mutation ($input: ChapterGenerateInput!) { chapterGenerate(input: $input) { ... on GenerationStarted { generation { id } } } }`;
  const input = {
    chapterId: novel.chapterId,
    instructions: '[demo:chunks=20 delay_ms=20]',
    idempotencyKey: `graphiql-${Date.now()}`,
  };
  const { chapterGenerate } = await api.run<{ chapterGenerate: { generation: { id: string } } }>(start, { input });
  await page.goto('/graphiql/');
  const subscription = `subscription { generationEvents(id: "${chapterGenerate.generation.id}") { __typename seq } }`;
  await setEditor(page, '.graphiql-query-editor', subscription);
  await setEditor(page, '.graphiql-editor-tool', JSON.stringify({ authorization: `Bearer ${api.token}` }));
  await press(page);
  await expect.poll(() => flat(page), { timeout: 30_000 }).toContain('GenerationCompleted');
});

test('the explorer, the documentation and the history are there without a network', async ({ page }) => {
  await page.goto('/graphiql/');
  await page.getByRole('button', { name: /Show Documentation Explorer/ }).click();
  await expect(page.locator('.graphiql-doc-explorer')).toContainText('Mutation');
  await page.getByRole('button', { name: /Show GraphiQL Explorer/ }).click();
  await expect(page.locator('.docExplorerWrap')).toContainText('projects');
  await page.getByRole('button', { name: /Show History/ }).click();
  await expect(page.locator('.graphiql-history')).toBeVisible();
});

test('a trusted document of the built-in registry comes into the editor and runs by its hash', async ({ page }) => {
  const sent: Record<string, unknown>[] = [];
  page.on('request', (request) => {
    if (request.method() === 'POST') sent.push(request.postDataJSON() as Record<string, unknown>);
  });
  await page.goto('/graphiql/');
  await page.getByRole('button', { name: /Show Trusted documents/ }).click();
  const panel = page.getByRole('region', { name: 'Trusted documents' });
  await panel.getByRole('searchbox').fill('tenants');
  await expect(panel.getByRole('listitem')).toHaveCount(1);
  await expect(panel.getByRole('listitem')).toContainText(/sha256:.*used (once|\d+ times)/);
  await panel.getByRole('button', { name: /^Tenants/ }).click();
  await expect(page.locator('.graphiql-query-editor')).toContainText('query Tenants');
  await panel.getByRole('button', { name: 'Run by documentId: Tenants' }).click();
  await expect(result(page)).toContainText('"memberships"');
  const hash = await panel.locator('code').getAttribute('title');
  const byHash = sent.filter(({ documentId }) => documentId !== undefined);
  expect(byHash).toEqual([{ documentId: hash, variables: {} }]);
});

for (const [language, scheme] of [
  ['en', 'light'],
  ['zh', 'dark'],
] as const) {
  test(`a client application’s registry is listed, ${language}, ${scheme}`, async ({ page, api }) => {
    const text = `query Shelf_${language} { projects { edges { node { title } } } }`;
    const hash = `sha256:${createHash('sha256').update(text).digest('hex')}`;
    const name = `Reader ${language} ${Date.now()}`;
    const { clientAppCreate } = await api.run<{ clientAppCreate: { clientApp: { id: string } } }>(
      `mutation ($input: ClientAppCreateInput!) { clientAppCreate(input: $input) { clientApp { id } } }`,
      { input: { name } },
    );
    await api.run(
      `mutation ($input: TrustedDocumentsRegisterInput!) { trustedDocumentsRegister(input: $input) { registered } }`,
      { input: { clientAppId: clientAppCreate.clientApp.id, documents: [{ hash, text }] } },
    );
    await page.addInitScript((to) => localStorage.setItem('fabula.language', to), language);
    await page.emulateMedia({ colorScheme: scheme });
    await page.goto('/graphiql/');
    await page.getByRole('button', { name: /Show (Trusted documents|受信任的文档)/ }).click();
    const panel = page.getByRole('region', { name: /Trusted documents|受信任的文档/ });
    await expect(panel.getByRole('listitem').first()).toBeVisible();
    await page.screenshot({ path: `e2e/artifacts/graphiql-trusted-${language}-${scheme}-built-in.png` });
    await panel.getByRole('combobox').selectOption({ label: name });
    await expect(panel.getByRole('listitem')).toContainText([/Shelf_.*(used 0 times|使用 0 次)/]);
    await panel.getByRole('button', { name: new RegExp(`^Shelf_${language}`) }).click();
    await expect(page.locator('.graphiql-query-editor')).toContainText(`query Shelf_${language}`);
    await page.screenshot({ path: `e2e/artifacts/graphiql-trusted-${language}-${scheme}.png` });
  });
}
