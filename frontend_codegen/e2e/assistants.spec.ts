/** Somebody makes an assistant, writes its versions, publishes it and reacts to it. */
import { barriers, enterDemo, expect, test } from './fixtures';

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
