/** Who keeps the books sees what was used and what is left, as it happens, and pays for more. */
import { readFileSync } from 'node:fs';

import type { Locator, Page } from '@playwright/test';

import { answerAs, type Api, barriers, enterDemo, expect, pace, startDraft, test, waitForEnd } from './fixtures';

const figureOf = (page: Page, name: string): Locator =>
  page
    .locator('.tallies div')
    .filter({ has: page.getByText(name, { exact: true }) })
    .locator('dd');

interface Used {
  count: number;
  outputTokens: number;
}

async function usedToday(api: Api): Promise<Used> {
  const day = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
  const query = `query ($day: DateTime) { usage(groupBy: [], from: $day, to: $day) { rows { count outputTokens } } }`;
  const { usage } = await api.run<{ usage: { rows: Used[] } }>(query, { day });
  return usage.rows[0] ?? { count: 0, outputTokens: 0 };
}

const available = async (api: Api) =>
  Number(
    (await api.run<{ wallet: { available: { amount: string } } }>(`{ wallet { available { amount } } }`)).wallet
      .available.amount,
  );

test('a draft’s use is shown as it ends: in the sums, in the chart, in the table', async ({
  page,
  context,
  api,
  novel,
}) => {
  const before = await usedToday(api);
  await enterDemo(page, '/usage');
  const chapter = await context.newPage();
  await chapter.goto(novel.path);
  await startDraft(chapter, pace(20, 5));
  await waitForEnd(chapter);

  await expect(figureOf(page, 'Calls')).toHaveText(String(before.count + 1));
  const after = await usedToday(api);
  expect(after.outputTokens).toBeGreaterThan(before.outputTokens);
  await expect(figureOf(page, 'Tokens written')).toHaveText(new Intl.NumberFormat('en').format(after.outputTokens));
  await expect(
    page
      .getByRole('img', { name: /^Cost by day and model/ })
      .locator('.series')
      .last(),
  ).toBeVisible();
  const reader = page.getByRole('slider', { name: 'Figures of a day' });
  await reader.focus();
  const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date());
  await expect(reader).toHaveAttribute('aria-valuetext', new RegExp(`^${day}: \\$0\\.\\d+; demo-writer \\$0\\.\\d+`));
  await page.keyboard.press('ArrowLeft');
  await expect(reader).not.toHaveAttribute('aria-valuetext', new RegExp(`^${day}`));

  await page.getByRole('radio', { name: 'Project' }).check();
  const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: /a draft’s use/ }) });
  await expect(row.getByRole('cell').last()).toHaveText('1');
  await expect(page).toHaveURL(/by=PROJECT/);
  expect(await barriers(page)).toEqual([]);
});

test('columns sort, and the figures come as a table of their own', async ({ page }) => {
  await answerAs(page, 'Usage', grow);
  await enterDemo(page, '/usage?days=90');
  const heads = page.getByRole('columnheader');
  await expect(heads.filter({ hasText: 'Cost' })).toHaveAttribute('aria-sort', 'descending');
  const names = () => page.locator('tbody').getByRole('rowheader').allTextContents();
  await page.getByRole('button', { name: 'Model' }).click();
  await expect(heads.filter({ hasText: 'Model' })).toHaveAttribute('aria-sort', 'ascending');
  expect(await names()).toEqual([...(await names())].sort((a, b) => a.localeCompare(b)));
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download CSV' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^usage-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv$/);
  expect(readFileSync(await download.path(), 'utf8')).toMatch(/^\ufeffoccurredAt,bookedAt,job,/);
});

test('days of one’s own are asked for, and the wrong way round are refused in words', async ({ page }) => {
  await enterDemo(page, '/usage');
  await page.getByRole('radio', { name: 'Other days' }).check();
  await page.getByLabel('To', { exact: true }).fill('2026-01-31');
  await expect(page.getByText('The first day comes after the last.')).toBeVisible();
  await page.getByLabel('From').fill('2026-01-01');
  await expect(page.getByText('The first day comes after the last.')).toHaveCount(0);
  await expect(page.getByText('Nothing was used in these days.')).toBeVisible();
  await expect(page).toHaveURL(/from=2026-01-01&to=2026-01-31/);
  expect(await barriers(page)).toEqual([]);
});

test('a top-up pays once, however often one presses, and the wallet shows it', async ({ page, api }) => {
  const before = await available(api);
  await enterDemo(page, '/wallet');
  await page.getByRole('button', { name: 'Top up' }).click();
  const dialog = page.getByRole('dialog', { name: 'Top up the wallet' });
  await dialog.getByLabel('Amount in USD').fill('nothing');
  await dialog.getByRole('button', { name: 'Pay' }).click();
  await expect(dialog.getByLabel('Amount in USD')).toHaveAttribute('aria-invalid', 'true');
  await dialog.getByRole('button', { name: '$50', exact: true }).click();
  expect(await barriers(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Pay $50.00' }).dblclick();
  await expect(dialog.getByRole('status')).toContainText('$50.00 was added.');
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  expect(await available(api)).toBeCloseTo(before + 50, 6);
  const shown = `$${new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(before + 50)}`;
  await expect(figureOf(page, 'Can be spent')).toHaveText(shown);
  const entry = page.getByRole('region', { name: 'Ledger' }).getByRole('listitem').first();
  await expect(entry).toContainText('Top-up');
  await expect(entry).toContainText('+$50.00');
  await expect(page.getByRole('region', { name: 'Where the credit comes from' })).toContainText('Paid for');
  expect(await barriers(page)).toEqual([]);
});

test('a budget is set, shows what drafts spend of it, is raised and lifted', async ({ page, context, novel }) => {
  await enterDemo(page, '/budgets');
  await page.getByRole('button', { name: 'New budget' }).click();
  const dialog = page.getByRole('dialog', { name: 'New budget' });
  await dialog.getByLabel('Whose spending').selectOption({ label: 'A model' });
  await dialog.getByRole('combobox', { name: 'Model' }).fill('demo-writer');
  await dialog.getByLabel('Limit in USD').fill('0');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByLabel('Limit in USD')).toHaveAttribute('aria-invalid', 'true');
  await dialog.getByLabel('Limit in USD').fill('0.01');
  expect(await barriers(page)).toEqual([]);
  await dialog.getByRole('button', { name: 'Create' }).click();
  const budget = page.getByRole('meter', { name: 'demo-writer' });
  await expect(budget).toHaveAttribute('aria-valuetext', '$0.00 spent, $0.00 reserved, of $0.01');

  const chapter = await context.newPage();
  await chapter.goto(novel.path);
  await startDraft(chapter, pace(20, 5));
  await waitForEnd(chapter);
  await expect(budget).toHaveAttribute('aria-valuetext', /^\$0\.0000\d\d spent, \$0\.00 reserved, of \$0\.01$/);

  await page.getByRole('button', { name: 'Actions for the budget of “demo-writer”' }).click();
  await page.getByRole('menuitem', { name: 'Edit' }).click();
  const editing = page.getByRole('dialog', { name: 'Edit the budget' });
  await editing.getByLabel('Limit in USD').fill('20');
  await editing.getByRole('button', { name: 'Save' }).click();
  await expect(budget).toHaveAttribute('aria-valuetext', /of \$20\.00$/);
  expect(await barriers(page)).toEqual([]);

  await page.getByRole('button', { name: 'Actions for the budget of “demo-writer”' }).click();
  await page.getByRole('menuitem', { name: 'Lift the limit' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Lift the limit' }).click();
  await expect(page.getByText('No budgets yet.', { exact: false })).toBeVisible();
});

test('who keeps no books is told so, and is offered nothing', async ({ page }) => {
  await answerAs(page, 'Me', (data: { me: { scopes: string[] } }) => {
    data.me.scopes = ['read', 'write', 'generate'];
  });
  for (const path of ['/usage', '/wallet', '/plan', '/invoices']) {
    if (path === '/usage') await enterDemo(page, path);
    else await page.goto(path);
    await expect(page.getByText('Those who keep this studio’s books see this page.', { exact: false })).toBeVisible();
    await expect(page.getByRole('main').getByRole('button')).toHaveCount(0);
    await expect(page.getByRole('link', { name: 'Billing' })).toHaveCount(0);
  }
});

test('a refusal is a sentence, and can be tried again', async ({ page }) => {
  let refuse = true;
  await page.route('**/graphql', async (route) => {
    if (!refuse || !route.request().postData()?.includes('"operationName":"Usage"')) return route.fallback();
    await route.abort();
  });
  await enterDemo(page, '/usage');
  await expect(page.getByRole('alert')).toContainText('The server cannot be reached.');
  refuse = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('alert')).toHaveCount(0);
});

const MODELS = ['demo-writer', 'qwen-max', 'claude-opus', 'gpt-large', 'deepseek-chat', 'glm-4', 'local-7b'];

interface Row {
  day: string;
  model: string;
}

/** A quarter of a year of a busy studio, in place of what the server says. */
function grow(data: { usage: { rows: object[] } }) {
  const row = (ago: number, model: string, at: number): Row & Record<string, unknown> => {
    const input = Math.round((9000 + 5000 * Math.sin(ago / 3 + at)) * (7 - at));
    const day = new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
    const cost = { __typename: 'Money', amount: String(((input * (8 - at)) / 1_000_000).toFixed(6)), currency: 'USD' };
    const none = { channel: null, project: null, member: null, token: null };
    const counts = { inputTokens: input, cachedInputTokens: Math.round(input * 0.42), count: 3 + at };
    const written = { outputTokens: Math.round(input / 4), reasoningTokens: at === 2 ? Math.round(input / 20) : 0 };
    return { __typename: 'UsageRow', day, model, ...none, ...counts, ...written, cost };
  };
  data.usage.rows = Array.from({ length: 90 }, (_, ago) => 89 - ago).flatMap((ago) =>
    ago % 7 === 6 ? [] : MODELS.map((model, at) => row(ago, model, at)),
  );
}

/** Three budgets: one that has room, one where people are told, one that is used up. */
function limit(data: { budgets: { edges: object[] } }) {
  const money = (amount: string) => ({ __typename: 'Money', amount, currency: 'USD' });
  const budget = (id: string, subject: string, period: string, spent: string, reserved: string) => ({
    __typename: 'BudgetEdge',
    node: {
      __typename: 'Budget',
      ...{ id, subject, period, warnAt: [80, 100], token: null, limit: money('50') },
      member: subject === 'MEMBER' ? { __typename: 'User', id: 'x', displayName: 'A. N. Author' } : null,
      model: subject === 'MODEL' ? 'qwen-max' : null,
      current: {
        __typename: 'BudgetUse',
        ...{ spent: money(spent), reserved: money(reserved), left: money('0'), startsAt: '2026-11-01T00:00:00Z' },
        resetsAt: period === 'TOTAL' ? null : '2026-12-01T00:00:00Z',
      },
    },
  });
  data.budgets.edges = [
    budget('1', 'TENANT', 'MONTH', '12.34', '3.5'),
    budget('2', 'MEMBER', 'MONTH', '38', '5.25'),
    budget('3', 'MODEL', 'TOTAL', '49.75', '0.25'),
  ];
}

const LOOKS = [
  { name: 'en-light', language: 'en', scheme: 'light', width: 1360 },
  { name: 'en-dark-narrow', language: 'en', scheme: 'dark', width: 360 },
  { name: 'zh-dark', language: 'zh', scheme: 'dark', width: 1360 },
  { name: 'zh-light-narrow', language: 'zh', scheme: 'light', width: 360 },
] as const;

for (const { name, language, scheme, width } of LOOKS) {
  test(`pictures of the billing pages, ${name}`, async ({ page, api, novel }) => {
    const overflow = () =>
      page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    const picture = async (of: string) => {
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: `e2e/artifacts/${name}/${of}.png`, animations: 'disabled', fullPage: true });
      expect(await barriers(page), of).toEqual([]);
      expect(await overflow(), of).toBe(0);
    };
    await page.addInitScript((to) => localStorage.setItem('fabula.language', to), language);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 850 });
    await enterDemo(page, novel.path);
    await startDraft(page, pace(20, 5));
    await waitForEnd(page);
    await page.getByRole('link', { name: /^(Billing|账务)$/ }).click();
    await expect(page.getByRole('img')).toBeVisible();
    await picture('11-usage');
    await answerAs(page, 'Usage', grow);
    await page.goto('/usage?days=30');
    await expect(page.getByRole('rowheader')).toHaveCount(MODELS.length + 1);
    await page.getByRole('slider').focus();
    await page.keyboard.press('ArrowLeft');
    await picture('12-usage-busy');
    await page.goto('/usage?days=90&show=tokens');
    await expect(page.getByRole('rowheader')).toHaveCount(MODELS.length + 1);
    await picture('13-usage-quarter');
    const topUp = `mutation ($input: CreditTopUpInput!) { creditTopUp(input: $input) { userErrors { code } } }`;
    await api.run(topUp, { input: { amount: '12.5', idempotencyKey: `picture ${name} ${Date.now()}` } });
    await page.getByRole('link', { name: /^(Wallet|钱包)$/ }).click();
    await expect(
      page
        .getByRole('region', { name: /^(Ledger|流水)$/ })
        .getByRole('listitem')
        .first(),
    ).toBeVisible();
    await picture('14-wallet');
    await page.getByRole('button', { name: /^(Top up|充值)$/ }).click();
    await picture('15-top-up');
    await page.keyboard.press('Escape');
    await answerAs(page, 'Budgets', limit);
    await page.getByRole('link', { name: /^(Budgets|预算)$/ }).click();
    await expect(page.getByRole('meter')).toHaveCount(3);
    await picture('16-budgets');
    await page.getByRole('button', { name: /^(New budget|新建预算)$/ }).click();
    await picture('17-budget');
  });
}
