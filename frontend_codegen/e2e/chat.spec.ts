/** Somebody asks, reads the answer while it is written, changes the question, and looks up what it stands on. */
import { readFileSync } from 'node:fs';

import type { Page } from '@playwright/test';

import {
  answerAs,
  barriers,
  countEvents,
  enterDemo,
  expect,
  makeBase,
  makeConversation,
  pace,
  say,
  test,
} from './fixtures';

test.describe.configure({ timeout: 120_000 });

const PASSAGE =
  'The lamp on the north pier is kept by Sabine Orlo, who took it over from her mother in the year of the great frost. ' +
  'She trims the wick at dusk and writes every ship into a green book.';

const field = (page: Page) => page.getByRole('textbox', { name: 'Message', exact: true });
const said = (page: Page) => page.getByRole('region', { name: 'What was said' });
const messages = (page: Page) => said(page).locator('.messages > li');
const answers = (page: Page) => said(page).locator('.messages > li:not(.message-mine)');
const stopButton = (page: Page) => page.getByRole('button', { name: 'Stop' });

async function ask(page: Page, text: string): Promise<void> {
  const before = await messages(page).count();
  await field(page).fill(text);
  await field(page).press('Enter');
  await expect(messages(page)).toHaveCount(before + 2);
  await expect(field(page)).toHaveValue('');
}

/** The last answer is whole: only then can it be answered again. */
async function answered(page: Page): Promise<void> {
  await expect(answers(page).last().getByRole('button', { name: 'Answer again' })).toBeEnabled({ timeout: 45_000 });
}

/** How long the growing answer was, each time it was looked at, until it is whole. */
const lengthsOf = (page: Page) =>
  page.evaluate(async () => {
    const seen = new Set<number>();
    const growing = () => document.querySelector('.answer-text');
    while (!growing()) await new Promise(requestAnimationFrame);
    for (let text = growing(); text; text = growing()) {
      seen.add(text.textContent.length);
      await new Promise(requestAnimationFrame);
    }
    return [...seen];
  });

test('the first message begins a conversation; the answer grows, is stored as it was shown, and names it', async ({
  page,
  api,
}) => {
  await enterDemo(page, '/chat');
  await field(page).fill(`What is a harbour for? ${pace(40, 80)}`);
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(page).toHaveURL(/\/chat\/.{8,}/);
  const answer = answers(page).first();
  expect((await lengthsOf(page)).length).toBeGreaterThan(5);
  const id = decodeURIComponent(new URL(page.url()).pathname.split('/').at(-1)!);
  const stored = `query ($id: ID!) { conversation(id: $id) { activePath { role state text } } }`;
  const { conversation } = await api.run<{
    conversation: { activePath: { role: string; state: string; text: string }[] };
  }>(stored, { id });
  expect(conversation.activePath.map(({ role, state }) => [role, state])).toEqual([
    ['USER', 'COMPLETE'],
    ['ASSISTANT', 'COMPLETE'],
  ]);
  await expect(answer.locator('.markdown')).toHaveText(conversation.activePath[1]!.text);
  await expect(page.getByRole('heading', { level: 1 })).not.toHaveText('Untitled');
  await expect(page.getByRole('meter', { name: /window/ })).toHaveAttribute('aria-valuetext', /\d+ of [\d,]+ tokens/);
  expect(await barriers(page)).toEqual([]);
});

test('a reload in the middle goes on with the answer, and Stop keeps what was written', async ({ page, api }) => {
  const { path } = await makeConversation(api);
  await enterDemo(page, path);
  await ask(page, `Tell me about the tide. ${pace(300, 60)}`);
  const growing = answers(page).first().locator('.answer-text');
  await expect.poll(async () => (await growing.textContent())?.length ?? 0).toBeGreaterThan(20);
  await page.reload();
  await expect.poll(async () => (await growing.textContent())?.length ?? 0).toBeGreaterThan(20);
  await stopButton(page).click();
  await answered(page);
  await expect(answers(page).first()).toContainText('Stopped. What was written so far is kept.');
  expect((await answers(page).first().locator('.markdown').textContent())!.length).toBeGreaterThan(20);
});

test('a changed question begins another path, and one can go back and forth between the two', async ({ page, api }) => {
  const { path } = await makeConversation(api);
  await enterDemo(page, path);
  await ask(page, 'Who built the north pier?');
  await answered(page);
  await ask(page, 'And who paid for it?');
  await answered(page);
  await expect(messages(page)).toHaveCount(4);
  await page.getByRole('button', { name: 'Edit' }).first().click();
  await page.getByRole('textbox', { name: 'The message, said otherwise' }).fill('Who built the south pier?');
  await page.getByRole('button', { name: 'Send' }).first().click();
  await expect(messages(page)).toHaveCount(2);
  await answered(page);
  const first = messages(page).first();
  await expect(first).toContainText('Who built the south pier?');
  await expect(first.getByRole('status')).toHaveText('2 of 2');
  await first.getByRole('button', { name: 'The version before' }).click();
  await expect(first).toContainText('Who built the north pier?');
  await expect(messages(page)).toHaveCount(4);
  await first.getByRole('button', { name: 'The version after' }).click();
  await expect(messages(page)).toHaveCount(2);

  await answers(page).first().getByRole('button', { name: 'Answer again' }).click();
  await expect(answers(page).first().getByRole('status').filter({ hasText: '2 of 2' })).toBeVisible();
  await answered(page);
  expect(await barriers(page)).toEqual([]);
});

test('a message is deleted with what follows it, for good', async ({ page, api }) => {
  const { id, path } = await makeConversation(api, { title: 'Slips' });
  await say(api, id, 'What is a keel?');
  await say(api, id, 'The password is swordfish.');
  await enterDemo(page, path);
  await expect(messages(page)).toHaveCount(4);
  await messages(page).nth(2).getByRole('button', { name: 'Delete the message' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete this message?' });
  expect(await barriers(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(messages(page)).toHaveCount(2);
  const all = `query ($id: ID!) { conversation(id: $id) { messages(first: 100) { edges { node { text } } } } }`;
  const { conversation } = await api.run<{ conversation: { messages: { edges: { node: { text: string } }[] } } }>(all, {
    id,
  });
  expect(JSON.stringify(conversation)).not.toContain('swordfish');
});

test('an answer cites by numbers, and each opens the passage with the words that it stands on', async ({
  page,
  api,
}) => {
  const name = `Harbour ${Date.now()}`;
  const base = await makeBase(api, name, PASSAGE);
  const { path } = await makeConversation(api);
  await enterDemo(page, path);
  await page.getByRole('button', { name: 'No knowledge bases' }).click();
  await page.getByRole('checkbox', { name }).check();
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect(page.getByRole('button', { name: 'One knowledge base' })).toBeVisible();
  await ask(page, 'Who keeps the lamp on the north pier?');
  await answered(page);
  const chip = answers(page).first().locator('.markdown').getByRole('button', { name: 'Source 1: The harbour book' });
  await expect(chip).toHaveText('1');
  await expect(answers(page).first().getByRole('group', { name: 'Sources' })).toContainText('The harbour book');
  expect(await barriers(page)).toEqual([]);
  await chip.click();
  const dialog = page.getByRole('dialog', { name: 'The harbour book' });
  const quote = (await dialog.locator('mark').textContent())!;
  expect(quote.length).toBeGreaterThan(10);
  expect(PASSAGE).toContain(quote);
  await expect(dialog.getByLabel('The passage')).toHaveText(PASSAGE);
  expect(await barriers(page)).toEqual([]);

  await page.reload();
  await answerAs(page, 'DocumentText', ({ document }: { document: { text: string } }) => {
    document.text = `In other words: ${PASSAGE}`;
  });
  await chip.click();
  await expect(dialog.getByText('The document has changed since.')).toBeVisible();
  await expect(dialog.getByLabel('The passage')).toHaveText(quote);
  await page.unroute('**/graphql');
  await page.reload();
  await chip.click();
  await dialog.getByRole('button', { name: 'Open in the document' }).click();
  await expect(page).toHaveURL(/\/documents\/.+start=\d+&end=\d+/);
  await expect(page.locator('mark').first()).toHaveText(quote);
  await api.run(`mutation ($id: ID!) { knowledgeBaseDelete(input: {id: $id}) { deletedId } }`, { id: base });
});

test('conversations are pinned, grouped, renamed, found by their words, deleted and restored', async ({
  page,
  api,
}) => {
  const { path } = await makeConversation(api, { title: 'About lighthouses' });
  await enterDemo(page, path);
  const list = page.getByRole('navigation', { name: 'Conversations' });
  await ask(page, 'Which zephyrion blows over the reef?');
  await answered(page);
  const choose = async (action: string) => {
    await list.getByRole('button', { name: 'Actions for “About lighthouses”' }).click();
    await page.getByRole('menuitem', { name: action }).click();
  };
  await choose('Pin');
  await expect(list.getByRole('heading', { name: 'Pinned' })).toBeVisible();
  await choose('Unpin');
  await expect(list.getByRole('heading', { name: 'Pinned' })).toHaveCount(0);
  await list.getByRole('button', { name: 'More of the list' }).click();
  await page.getByRole('menuitem', { name: 'New group' }).click();
  await page.getByLabel('Name of the group').fill('Coast');
  await page.keyboard.press('Enter');
  await expect(list.getByRole('heading', { name: 'Coast' })).toBeVisible();
  await choose('Move to a group');
  await page.getByLabel('Group', { exact: true }).selectOption('Coast');
  await page.getByRole('button', { name: 'Save' }).click();
  const group = list.locator('section').filter({ has: page.getByRole('heading', { name: 'Coast' }) });
  await expect(group.getByRole('link', { name: 'About lighthouses' })).toBeVisible();
  expect(await barriers(page)).toEqual([]);

  const search = page.getByRole('searchbox', { name: 'Search conversations' });
  await search.fill('zephyrion');
  await expect(list.getByRole('status')).toHaveText(/^(One message|\d+ messages) with “zephyrion”$/);
  await list.getByRole('link', { name: 'About lighthouses' }).first().click();
  await expect(page.locator('.message[data-found]')).toContainText('zephyrion');
  await search.fill('');
  await choose('Delete');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page).toHaveURL(/\/chat$/);
  await expect(list.getByRole('link', { name: 'About lighthouses' })).toHaveCount(0);
  await list.getByRole('button', { name: 'More of the list' }).click();
  await page.getByRole('menuitem', { name: 'Deleted conversations' }).click();
  await page.getByRole('button', { name: 'Restore “About lighthouses”' }).click();
  await expect(page.getByRole('button', { name: 'Restore “About lighthouses”' })).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(list.getByRole('link', { name: 'About lighthouses' })).toBeVisible();
});

test('a message that is found is shown, also further up and on a path that was left', async ({ page, api }) => {
  const { id, path } = await makeConversation(api, { title: 'Winds' });
  const said1 = await say(api, id, 'Which zanzarine blows in spring?');
  for (let n = 0; n < 50; n += 1) await say(api, id, `And on day ${n}?`);
  await enterDemo(page, path);
  await expect(messages(page)).toHaveCount(100);
  const list = page.getByRole('navigation', { name: 'Conversations' });
  const search = page.getByRole('searchbox', { name: 'Search conversations' });
  const find = async (word: string) => {
    await search.fill(word);
    await list.locator('.chat-hit').filter({ hasText: word }).getByRole('link').first().click();
  };
  await find('zanzarine');
  await expect(list.locator('.chat-hit mark').first()).toHaveText('zanzarine');
  await expect(messages(page)).toHaveCount(102);
  await expect(messages(page).first()).toBeInViewport();
  await expect(page).toHaveURL(new RegExp(`${path}$`));

  const edit = `mutation ($input: MessageEditInput!) { messageEdit(input: $input) { __typename } }`;
  const input = { messageId: said1, text: 'Which wind blows in summer?', idempotencyKey: `edit-${id}` };
  await api.run(edit, { input });
  await expect(messages(page)).toHaveCount(2);
  await answered(page);
  await find('zanzarine');
  await expect(messages(page)).toHaveCount(102);
  await expect(messages(page).first()).toContainText('zanzarine');
  await expect(messages(page).first()).toBeInViewport();
});

test('a conversation is written down as files, and a link shows it to somebody who is not logged in until it is revoked', async ({
  page,
  browser,
  baseURL,
  api,
}) => {
  const { path } = await makeConversation(api, { title: 'To be shared' });
  await enterDemo(page, path);
  await ask(page, 'What does the keeper write down?');
  await answered(page);
  const answer = (await answers(page).first().locator('.markdown').textContent())!;
  const more = page.getByRole('main').getByRole('button', { name: 'Actions for “To be shared”' });
  await more.click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: 'Export as Markdown' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/\.md$/);
  const written = readFileSync(await download.path(), 'utf8');
  expect(written).toContain('To be shared');
  expect(written).toContain('What does the keeper write down?');

  await more.click();
  await page.getByRole('menuitem', { name: 'Share a link' }).click();
  await page.getByRole('button', { name: 'Make a link' }).click();
  const link = await page.getByLabel('The link').inputValue();
  expect(await barriers(page)).toEqual([]);
  const stranger = await browser.newPage({ baseURL: baseURL!, locale: 'en-GB' });
  await stranger.goto(link);
  await expect(stranger.getByRole('heading', { name: 'To be shared' })).toBeVisible();
  await expect(stranger.locator('.markdown')).toHaveText(answer);
  expect(await barriers(stranger)).toEqual([]);
  await page.getByRole('button', { name: 'Revoke' }).click();
  await expect(page.getByRole('button', { name: 'Revoke' })).toHaveCount(0);
  await stranger.reload();
  await expect(stranger.getByText('This link does not hold, or no longer.')).toBeVisible();
  await stranger.goto('/login');
  await stranger.goto('/shared#%');
  await expect(stranger.getByText('This link does not hold, or no longer.')).toBeVisible();
  await stranger.close();
});

test('what is said in another window is shown in this one', async ({ page, context, api }) => {
  const { path } = await makeConversation(api);
  await enterDemo(page, path);
  const other = await context.newPage();
  await other.goto(path);
  await ask(other, 'Can you hear me?');
  await expect(messages(page).first()).toContainText('Can you hear me?');
  await answered(other);
  await expect(answers(page).first().locator('.markdown')).not.toBeEmpty();
});

test('a page that is opened hears what is new, and nothing that it has read', async ({ page, api }) => {
  const { id, path } = await makeConversation(api, { title: 'Tides' });
  await say(api, id, 'What is an ebb?');
  const heard = countEvents(page, 'conversationEvents');
  await enterDemo(page, path);
  await expect(messages(page)).toHaveCount(2);
  await page.waitForTimeout(1_000);
  expect(heard()).toBe(0);
  await say(api, id, 'And what is a flood?');
  await expect(messages(page)).toHaveCount(4);
  expect(heard()).toBeGreaterThan(0);
});
