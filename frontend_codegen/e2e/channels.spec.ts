/** Who manages a studio makes, tries and switches its channels, says how they are chosen, and sees why one was. */
import type { Locator, Page } from '@playwright/test';

import { barriers, dropChannel, enterDemo, expect, makeChannel, pace, startDraft, test, waitForEnd } from './fixtures';

const rowOf = (page: Page, name: string): Locator =>
  page.getByRole('listitem').filter({ has: page.getByRole('heading', { name }) });

test('a channel is made, tried, switched off, edited and deleted', async ({ page }) => {
  const name = `Second pen ${Date.now()}`;
  await enterDemo(page);
  await page.getByRole('link', { name: 'Channels' }).click();
  await page.getByRole('button', { name: 'New channel' }).click();
  const dialog = page.getByRole('dialog', { name: 'New channel' });
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('Protocol').selectOption({ label: 'Offline demo engine' });
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByLabel('Models')).toHaveAttribute('aria-invalid', 'true');
  await dialog.getByLabel('Models').fill('second-writer = demo-writer');
  await dialog.getByLabel('Key').fill('not-a-real-key');
  expect(await barriers(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);

  const row = rowOf(page, name);
  await expect(row).toContainText('Offline demo engine · second-writer · weight 1 · priority 0');
  await expect(row.locator('.channel-status')).toHaveText('On');
  await row.getByRole('button', { name: 'Test' }).click();
  await expect(row.getByRole('status')).toContainText(/^It answered: first token after \d+ ms, \d+ ms in all\./);
  await row.getByRole('button', { name: 'Switch off' }).click();
  await expect(row.locator('.channel-status')).toHaveText('Switched off');
  expect(await barriers(page)).toEqual([]);

  await row.getByRole('button', { name: `More for “${name}”` }).click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
  const editing = page.getByRole('dialog', { name: 'Edit the channel' });
  const key = editing.getByRole('textbox', { name: 'Key' });
  await expect(key).toHaveValue('');
  await expect(key).toHaveAttribute('placeholder', 'A key is set. Leave empty to keep it.');
  await editing.getByLabel('Weight').fill('7');
  await editing.getByRole('button', { name: 'Save' }).click();
  await expect(row).toContainText('weight 7');

  await row.getByRole('button', { name: `More for “${name}”` }).click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  const question = page.getByRole('dialog', { name: `Delete “${name}”?` });
  await question.getByRole('button', { name: 'Delete' }).click();
  await expect(row).toHaveCount(0);
});

test('the platform’s channels are shown and cannot be changed', async ({ page, api }) => {
  const { channels } = await api.run<{ channels: { edges: { node: { name: string; platform: boolean } }[] } }>(
    `{ channels { edges { node { name platform } } } }`,
  );
  const platform = channels.edges.find(({ node }) => node.platform)!.node;
  await enterDemo(page, '/channels');
  const row = rowOf(page, platform.name);
  await expect(row).toContainText('platform');
  await expect(row.getByRole('button')).toHaveCount(0);
});

test('who only reads sees the channels and the policy, and can change nothing', async ({ page }) => {
  await page.route('**/graphql', async (route) => {
    if (!route.request().postData()?.includes('"operationName":"Me"')) return route.continue();
    const response = await route.fetch();
    const answer = (await response.json()) as { data: { me: { scopes: string[] } } };
    answer.data.me.scopes = ['read'];
    await route.fulfill({ response, json: answer });
  });
  await enterDemo(page, '/channels');
  await expect(page.getByText('Those who manage this studio can change them.')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Routing' }).getByLabel('Strategy')).toBeDisabled();
  await expect(page.getByRole('article').first()).toBeVisible();
  await expect(page.getByRole('main').getByRole('button')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Channels' })).toHaveCount(0);
  expect(await barriers(page)).toEqual([]);
});

test('a channel that fails is shown as paused while one looks on', async ({ page, context, api, novel }) => {
  const name = `Broken pen ${Date.now()}`;
  const input = { name, provider: 'OPENAI_COMPATIBLE', models: ['broken'], baseUrl: 'http://127.0.0.1:9/v1' };
  const id = await makeChannel(api, input);
  await enterDemo(page, '/channels');
  const row = rowOf(page, name);
  await expect(row.locator('.channel-health')).toHaveText('No calls yet');

  const chapter = await context.newPage();
  await chapter.goto(novel.path);
  await chapter.getByLabel('Written by').selectOption(id);
  await chapter.getByRole('button', { name: 'Write this chapter' }).click();
  await expect(chapter.getByRole('alert')).toContainText('No draft was written.', { timeout: 30_000 });
  await expect(row.locator('.channel-status')).toHaveText('Paused after failures');
  await expect(row.locator('.channel-health')).toContainText(
    /Calls fail .* last error: not reachable · tried again at/,
  );
  await chapter.getByRole('button', { name: 'Why this channel?' }).click();
  await expect(chapter.getByRole('dialog')).toContainText('not reachable');
  await dropChannel(api, id);
});

test('a routing policy is saved with its fallback, and a draft says how it was routed', async ({
  page,
  api,
  novel,
}) => {
  const set = `mutation ($input: RoutingPolicySetInput!) { routingPolicySet(input: $input) { userErrors { code } } }`;
  await api.run(set, { input: { policy: {} } });
  await enterDemo(page, '/channels');
  const policy = page.getByRole('region', { name: 'Routing' });
  await policy.getByLabel('Strategy').selectOption({ label: 'Fewest errors' });
  await policy.getByRole('checkbox', { name: 'Stay with a channel' }).uncheck();
  await policy.getByRole('checkbox', { name: 'Have a fallback' }).check();
  await policy.getByRole('group', { name: 'Fallback' }).getByLabel('Only these models').fill('demo-writer');
  await policy.getByRole('button', { name: 'Save' }).click();
  await expect(policy.getByRole('button', { name: 'Save' })).toBeDisabled();
  const query = `{ routingPolicy { strategy sticky fallback { strategy models sticky } } }`;
  expect(await api.run(query)).toEqual({
    routingPolicy: {
      strategy: 'LEAST_ERRORS',
      sticky: false,
      fallback: { strategy: 'WEIGHTED', models: ['demo-writer'], sticky: true },
    },
  });

  await page.goto(novel.path);
  await startDraft(page, pace(20, 5));
  await waitForEnd(page);
  await page.getByRole('button', { name: 'Why this channel?' }).click();
  const dialog = page.getByRole('dialog', { name: 'Why this channel?' });
  await expect(dialog).toContainText('Strategy: Fewest errors.');
  await expect(dialog.locator('.routing-lines').filter({ hasText: 'Calls' })).toContainText('answered');
  expect(await barriers(page)).toEqual([]);
  await api.run(set, { input: { policy: {} } });
});
