/** The self-hosted GraphiQL: offline, under the policy that the server sends, with the headers editor as its login. */
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
