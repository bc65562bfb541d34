/** Somebody makes an assistant, writes its versions, publishes it and reacts to it. */
import { barriers, enterDemo, expect, makeAssistant, test } from './fixtures';

test.describe.configure({ timeout: 120_000 });

test('an assistant is made, gets versions, is published without its secrets, liked, rated, installed and deleted', async ({
  page,
}) => {
  const name = `Plot doctor ${Date.now()}`;
  await enterDemo(page, '/assistants');
  await page.getByRole('button', { name: 'New assistant' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel(/^Tags/).fill('plot, knots');
  await dialog.getByLabel('Category').selectOption('Plot');
  expect(await barriers(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  await page.getByRole('button', { name: 'New version' }).click();
  await dialog
    .getByLabel('Prompt')
    .fill('Find what does not follow. The key is sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD.');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Version 1')).toBeVisible();
  await page.getByRole('button', { name: 'New version' }).click();
  await expect(dialog.getByLabel('Prompt')).toHaveValue(/Find what does not follow/);
  await dialog.getByLabel(/^What is new/).fill('Gentler');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Version 2')).toBeVisible();
  expect(await barriers(page)).toEqual([]);

  const choose = async (action: string) => {
    await page.getByRole('button', { name: `Actions for “${name}”` }).click();
    await page.getByRole('menuitem', { name: action }).click();
  };
  await choose('Publish');
  await expect(dialog.getByRole('heading', { name: 'Taken out' })).toBeVisible();
  expect(await barriers(page)).toEqual([]);
  await dialog.getByLabel('Who sees it').selectOption('everybody');
  await dialog.getByRole('button', { name: 'Publish' }).click();
  await expect(page.locator('.base-head .book-meta')).toContainText('everybody');
  await page.getByRole('button', { name: 'Like' }).click();
  await expect(page.getByRole('button', { name: 'Like' })).toHaveAttribute('aria-pressed', 'true');
  await page.getByLabel('Your rating').selectOption('4 stars');
  await page.getByRole('button', { name: 'Write a review' }).click();
  await dialog.getByLabel('What you make of it').fill('It finds what three of us had read over.');
  expect(await barriers(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.locator('.review')).toContainText(/three of us had read over\..*4 stars/);
  await page.getByRole('button', { name: 'Install' }).click();
  await expect(page.getByRole('button', { name: 'Uninstall' })).toBeVisible();
  await page.getByRole('link', { name: 'All assistants' }).click();
  await page.getByRole('tab', { name: 'Installed' }).click();
  await expect(page.getByRole('link', { name })).toBeVisible();
  expect(await barriers(page)).toEqual([]);
  await page.getByRole('link', { name }).click();
  await choose('Delete');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(page).toHaveURL(/\/assistants$/);
});

test('a conversation is begun with an assistant, which speaks first, answers, and is missed once it is gone', async ({
  page,
  api,
}) => {
  const name = `Harbour master ${Date.now()}`;
  const id = await makeAssistant(api, name);
  await enterDemo(page, `/assistants/${encodeURIComponent(id)}`);
  await page.getByRole('link', { name: 'Begin a conversation' }).click();
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
  const messages = page.getByRole('region', { name: 'What was said' }).locator('.message');
  await expect(messages).toContainText(['I keep the harbour book.', 'Ask me for a ship.']);
  expect(await barriers(page)).toEqual([]);
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Which ship came in first?');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/chat\/(?!new).{8,}/);
  await expect(messages).toContainText(['I keep the harbour book.', 'Ask me for a ship.', 'Which ship came in', '']);
  const again = messages.getByRole('button', { name: 'Answer again' });
  await expect(again).toBeEnabled({ timeout: 45_000 });
  // What the assistant said first answers nothing, so only the answer can be asked for again.
  await expect(again).toHaveCount(1);
  await expect(messages.nth(3).locator('.markdown')).not.toBeEmpty();
  const head = page.locator('.chat-head');
  await expect(head.getByRole('link', { name })).toHaveAttribute('href', `/assistants/${encodeURIComponent(id)}`);
  expect(await barriers(page)).toEqual([]);

  await api.run(`mutation ($input: AssistantDeleteInput!) { assistantDelete(input: $input) { deletedId } }`, {
    input: { id },
  });
  await page.reload();
  await expect(head).toContainText('It goes on without its assistant');
});
