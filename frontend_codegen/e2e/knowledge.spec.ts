/** Somebody brings documents, watches them become passages, mends one, and tries what is found. */
import type { Page } from '@playwright/test';

import { type Api, barriers, countEvents, enterDemo, expect, test } from './fixtures';

test.describe.configure({ timeout: 120_000 });

const TEXT = [
  '# The salt road',
  'The salt road runs from Karsk to the sea, and the toll is four copper rings at the Heron Bridge.',
  '# The bridge keeper',
  'Ivo Marrel keeps the Heron Bridge. He counts the carts by knots in a red cord.',
].join('\n\n');

async function makeBase(api: Api, name: string, scope = 'TENANT'): Promise<{ id: string; path: string }> {
  const create = `mutation ($input: KnowledgeBaseCreateInput!) {
    knowledgeBaseCreate(input: $input) { knowledgeBase { id } } }`;
  const made = await api.run<{ knowledgeBaseCreate: { knowledgeBase: { id: string } } }>(create, {
    input: { name, scope },
  });
  const { id } = made.knowledgeBaseCreate.knowledgeBase;
  return { id, path: `/knowledge/${encodeURIComponent(id)}` };
}

async function dropBase(api: Api, id: string): Promise<void> {
  await api.run(`mutation ($id: ID!) { knowledgeBaseDelete(input: {id: $id}) { deletedId } }`, { id });
}

const rowOf = (page: Page, title: string) =>
  page.locator('.docs > li').filter({ has: page.getByRole('link', { name: title, exact: true }) });
const ready = (page: Page, title: string) =>
  expect(rowOf(page, title).getByText('Ready', { exact: true })).toBeVisible({ timeout: 45_000 });

async function addText(api: Api, knowledgeBaseId: string, title: string, text: string): Promise<string> {
  const add = `mutation ($input: DocumentCreateInput!) { documentCreate(input: $input) { document { id } } }`;
  const input = { knowledgeBaseId, title, text, idempotencyKey: `e2e-${knowledgeBaseId}-${title}` };
  const { documentCreate } = await api.run<{ documentCreate: { document: { id: string } } }>(add, { input });
  return documentCreate.document.id;
}

test('a base is made, changed and deleted', async ({ page }) => {
  const name = `Roads ${Date.now()}`;
  await enterDemo(page, '/knowledge');
  await page.getByRole('button', { name: 'New base' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByLabel('Name')).toHaveAttribute('aria-invalid', 'true');
  await dialog.getByLabel('Name').fill(name);
  expect(await barriers(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  await expect(page.getByText('No documents yet.')).toBeVisible();
  expect(await barriers(page)).toEqual([]);
  const actions = page.getByRole('button', { name: `Actions for “${name}”` });
  await actions.click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
  await dialog.getByLabel(/^Description/).fill('Where the carts go.');
  await dialog.getByLabel('Passages to an answer').fill('5');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Where the carts go.')).toBeVisible();
  await actions.click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page).toHaveURL(/\/knowledge$/);
  await expect(page.getByRole('link', { name })).toHaveCount(0);
});

test('files come in by a button and by hand, show how far they are, and end ready or with a reason', async ({
  page,
  api,
}) => {
  const base = await makeBase(api, 'Uploads');
  await enterDemo(page, base.path);
  const states = new Set<string>();
  await page.exposeFunction('heard', (state: string) => void states.add(state));
  await page.evaluate(() => {
    new MutationObserver(() => {
      for (const one of document.querySelectorAll('.doc-status')) {
        void (window as unknown as { heard: (s: string) => void }).heard((one as HTMLElement).dataset.state ?? '');
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  const file = { name: 'salt-road.md', mimeType: 'text/markdown', buffer: Buffer.from(TEXT) };
  await page.getByLabel('choose files').setInputFiles(file);
  await ready(page, 'salt-road.md');
  expect([...states].some((state) => state !== 'READY')).toBe(true);
  await expect(page.getByRole('list', { name: 'Uploads' })).toHaveCount(0);

  const transfer = await page.evaluateHandle((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], 'dropped.txt', { type: 'text/plain' }));
    return data;
  }, `A second text. ${TEXT}`);
  const zone = page.locator('.drop-zone');
  await zone.dispatchEvent('dragover', { dataTransfer: transfer });
  await expect(zone).toHaveAttribute('data-over', 'true');
  await zone.dispatchEvent('drop', { dataTransfer: transfer });
  await ready(page, 'dropped.txt');

  await page.getByLabel('choose files').setInputFiles({
    name: 'not-really.pdf',
    mimeType: 'application/pdf',
    buffer: Buffer.from('PK\u0003\u0004 this is no PDF'),
  });
  const uploads = page.getByRole('list', { name: 'Uploads' });
  await expect(uploads.getByRole('alert')).not.toBeEmpty();
  expect(await barriers(page)).toEqual([]);
  await uploads.getByRole('button', { name: 'Dismiss not-really.pdf' }).click();
  await expect(uploads).toHaveCount(0);
  await page.reload();
  await ready(page, 'salt-road.md');
  await dropBase(api, base.id);
});

test('a text is pasted, read, found by what it says, and its passages are mended and switched off', async ({
  page,
  api,
}) => {
  const base = await makeBase(api, 'Passages');
  await enterDemo(page, base.path);
  await page.getByRole('button', { name: 'Paste a text' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Title').fill('Salt');
  await dialog.getByLabel('Text').fill(TEXT);
  await dialog.getByRole('button', { name: 'Create' }).click();
  await ready(page, 'Salt');

  await page.getByRole('tab', { name: 'Try the search' }).click();
  await page.getByRole('searchbox', { name: 'Question or words' }).fill('Who keeps the Heron Bridge?');
  await page.getByRole('checkbox', { name: 'Show how it was found' }).check();
  for (const mode of ['Meaning and words', 'Meaning', 'Words']) {
    await page.getByLabel('Mode', { exact: true }).selectOption(mode);
    await Promise.all([page.waitForResponse('**/graphql'), page.getByRole('button', { name: 'Search' }).click()]);
    await expect(page.locator('.found-hit').first()).toContainText('Ivo Marrel');
    await expect(page.getByRole('table', { name: 'Stages' })).toBeVisible();
  }
  expect(await barriers(page)).toEqual([]);
  await page.locator('.found-hit').first().getByRole('link').click();
  await expect(page.locator('mark')).toContainText('Ivo Marrel');
  expect(TEXT).toContain((await page.locator('mark').textContent())!.trim());

  await page.getByRole('tab', { name: 'Passages' }).click();
  const chunk = page.locator('.chunks > li').last();
  await chunk.getByRole('button', { name: /^Change the passage/ }).click();
  await dialog.getByLabel('Text').fill('Ivo Marrel keeps the Heron Bridge, and his cord is vermilion.');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(chunk).toContainText('vermilion');
  await expect(chunk).toContainText('changed');
  expect(await barriers(page)).toEqual([]);
  const found = async (query: string) => {
    const search = `query ($input: KnowledgeSearchInput!) { knowledgeSearch(input: $input) { hits { text } } }`;
    const input = { knowledgeBaseIds: [base.id], query, mode: 'KEYWORD' };
    const { knowledgeSearch } = await api.run<{ knowledgeSearch: { hits: { text: string }[] } }>(search, { input });
    return knowledgeSearch.hits.map(({ text }) => text).join('\n');
  };
  await expect.poll(() => found('vermilion')).toContain('vermilion');
  await chunk.getByRole('checkbox').click();
  await expect(chunk).toContainText('switched off');
  await expect.poll(() => found('vermilion')).not.toContain('vermilion');
  await chunk.getByRole('checkbox').click();
  await expect.poll(() => found('vermilion')).toContain('vermilion');
  await dropBase(api, base.id);
});

test('a document is renamed, read again and deleted; what happens elsewhere is shown without a reload', async ({
  page,
  api,
}) => {
  const base = await makeBase(api, 'Live');
  await enterDemo(page, base.path);
  await expect(page.getByText('No documents yet.')).toBeVisible();
  await addText(api, base.id, 'From elsewhere', TEXT);
  await ready(page, 'From elsewhere');
  const choose = async (title: string, action: string) => {
    await page.getByRole('button', { name: `Actions for “${title}”` }).click();
    await page.getByRole('menuitem', { name: action }).click();
  };
  await choose('From elsewhere', 'Rename');
  await page.getByRole('dialog').getByLabel('Title').fill('Renamed');
  await page.keyboard.press('Enter');
  await ready(page, 'Renamed');
  await choose('Renamed', 'Read again');
  await ready(page, 'Renamed');
  await choose('Renamed', 'Delete');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('No documents yet.')).toBeVisible();
  await dropBase(api, base.id);
});

test('a page that is opened hears what is new of its documents, and nothing that it has read', async ({
  page,
  api,
}) => {
  const base = await makeBase(api, 'Read before');
  const first = await addText(api, base.id, 'The toll', TEXT);
  const state = `query ($id: ID!) { node(id: $id) { ... on Document { state } } }`;
  const stateOf = async () => (await api.run<{ node: { state: string } }>(state, { id: first })).node.state;
  await expect.poll(stateOf, { timeout: 45_000 }).toBe('READY');
  const heard = countEvents(page, 'documentProgress');
  await enterDemo(page, base.path);
  await ready(page, 'The toll');
  await page.waitForTimeout(1_000);
  expect(heard()).toBe(0);
  await addText(api, base.id, 'The keeper', 'Ivo keeps the bridge.');
  await ready(page, 'The keeper');
  expect(heard()).toBeGreaterThan(0);
  await dropBase(api, base.id);
});

test('what is uploaded into a base of one’s own stays one’s own', async ({ page, api }) => {
  const base = await makeBase(api, 'Mine', 'USER');
  await enterDemo(page, base.path);
  const file = { name: 'diary.md', mimeType: 'text/markdown', buffer: Buffer.from(TEXT) };
  await page.getByLabel('choose files').setInputFiles(file);
  await ready(page, 'diary.md');
  const purposes = `query ($id: ID!) {
    node(id: $id) { ... on KnowledgeBase { documents(first: 1) { edges { node { file { purpose } } } } } } }`;
  interface Found {
    node: { documents: { edges: { node: { file: { purpose: string } } }[] } };
  }
  const { node } = await api.run<Found>(purposes, { id: base.id });
  expect(node.documents.edges[0]!.node.file.purpose).toBe('ATTACHMENT');
  await dropBase(api, base.id);
});
