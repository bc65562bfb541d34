/** Who keeps the books subscribes to a plan, sees what was billed for it, and decides what happens when credit runs low. */
import type { Page } from '@playwright/test';

import { answerAs, type Api, barriers, enterDemo, expect, test } from './fixtures';

/** The demo's studio has one subscription at most: each test begins and leaves without. */
async function withoutPlan(api: Api): Promise<void> {
  const { subscription } = await api.run<{ subscription: object | null }>(`{ subscription { id } }`);
  if (!subscription) return;
  const cancel = `mutation { subscriptionCancel(input: { atPeriodEnd: false }) { userErrors { code } } }`;
  const { subscriptionCancel } = await api.run<{ subscriptionCancel: { userErrors: object[] } }>(cancel);
  expect(subscriptionCancel.userErrors).toEqual([]);
}

test.beforeEach(({ api }) => withoutPlan(api));
test.afterEach(({ api }) => withoutPlan(api));

const key = () => `e2e ${Date.now()} ${Math.random()}`;

interface Bought {
  number: string;
  total: { amount: string };
}

/** Subscribe to what the demo sells for 9.00 a month; the invoice for that. */
async function buyWriter(api: Api): Promise<Bought> {
  const { plans } = await api.run<{ plans: { edges: { node: { id: string; name: string } }[] } }>(
    `{ plans { edges { node { id name } } } }`,
  );
  const planId = plans.edges.find(({ node }) => node.name === 'WRITER')!.node.id;
  const subscribe = `mutation ($input: PlanSubscribeInput!) { planSubscribe(input: $input) { userErrors { code } } }`;
  const input = { planId, idempotencyKey: key() };
  const { planSubscribe } = await api.run<{ planSubscribe: { userErrors: object[] } }>(subscribe, { input });
  expect(planSubscribe.userErrors).toEqual([]);
  const { invoices } = await api.run<{ invoices: { edges: { node: Bought }[] } }>(
    `{ invoices(first: 1) { edges { node { number total { amount } } } } }`,
  );
  return invoices.edges[0]!.node;
}

const invoiceOf = (page: Page, number: string) =>
  page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: number }) });

test('a plan is billed: the invoice has its lines, and its PDF opens', async ({ page, api, request }) => {
  const { number, total } = await buyWriter(api);
  expect(Number(total.amount)).toBe(9);
  await enterDemo(page, '/invoices');
  const invoice = invoiceOf(page, number);
  await expect(invoice.getByRole('heading')).toHaveText(`${number}paid`);
  await expect(invoice).toContainText('$9.00');
  await invoice.getByText('1 line').click();
  const lines = page.getByRole('table', { name: `Lines of ${number}` });
  await expect(lines.getByRole('rowheader').first()).toContainText('Writer');
  expect(await barriers(page)).toEqual([]);

  const [answer, tab] = await Promise.all([
    page.waitForResponse((response) => response.request().postData()?.includes('InvoicePdf') ?? false),
    page.context().waitForEvent('page'),
    page.getByRole('button', { name: `PDF of ${number}` }).click(),
  ]);
  const { data } = (await answer.json()) as { data: { invoicePdf: { url: string; size: number } } };
  const file = await request.get(data.invoicePdf.url);
  expect(file.headers()['content-type']).toBe('application/pdf');
  const content = await file.body();
  expect(content.subarray(0, 5).toString()).toBe('%PDF-');
  expect(content.length).toBe(data.invoicePdf.size);
  await tab.close();
});

test('a plan is subscribed to, changed, cancelled and kept', async ({ page }) => {
  await enterDemo(page, '/plan');
  await expect(page.getByText('This studio has no plan.', { exact: false })).toBeVisible();
  await page.getByRole('button', { name: 'Subscribe to Writer' }).click();
  const subscribing = page.getByRole('dialog', { name: 'Subscribe to Writer' });
  await subscribing.getByLabel('Coupon code').fill('NO-SUCH-CODE');
  await subscribing.getByRole('button', { name: 'Subscribe' }).click();
  await expect(subscribing.getByLabel('Coupon code')).toHaveAttribute('aria-invalid', 'true');
  expect(await barriers(page)).toEqual([]);
  await subscribing.getByLabel('Coupon code').fill('');
  await subscribing.getByRole('button', { name: 'Subscribe' }).dblclick();
  const current = page.getByRole('region', { name: 'Writer' });
  await expect(current).toContainText('$9.00 a month');
  await expect(current).toContainText('The period ends on');

  await page.getByRole('button', { name: 'Change to Free' }).click();
  const downgrading = page.getByRole('dialog', { name: 'Change to Free' });
  await expect(downgrading).toContainText('Nothing is paid now.');
  await downgrading.getByRole('button', { name: 'Change' }).click();
  await expect(current).toContainText('it changes to Free');
  await current.getByRole('button', { name: 'Stay with Writer' }).click();
  await expect(current).toContainText('The period ends on');

  await page.getByRole('button', { name: 'Change to Studio' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Change' }).click();
  const studio = page.getByRole('region', { name: 'Studio' });
  await expect(studio).toContainText('$29.00 a month');
  await studio.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the plan' }).click();
  await expect(studio).toContainText('is not renewed');
  expect(await barriers(page)).toEqual([]);
  await studio.getByRole('button', { name: 'Keep it' }).click();
  await expect(studio).toContainText('The period ends on');
});

test('a coupon gives credit once, and what is none is refused in words', async ({ page, api }) => {
  const code = `E2E-${Date.now()}`;
  const create = `mutation ($input: CouponCreateInput!) { couponCreate(input: $input) { userErrors { code } } }`;
  await api.run(create, { input: { code, kind: 'CREDIT', amount: '3' } });
  await enterDemo(page, '/plan');
  const form = page.getByRole('region', { name: 'Redeem a code' });
  await form.getByLabel('Coupon code').fill(code.toLowerCase());
  await form.getByRole('button', { name: 'Redeem' }).click();
  await expect(form.getByRole('status')).toContainText('The credit is yours');
  await form.getByLabel('Coupon code').fill(code);
  await form.getByRole('button', { name: 'Redeem' }).click();
  await expect(form.getByText('This code cannot be redeemed.')).toBeVisible();
  await expect(form.getByRole('status')).toHaveCount(0);
  expect(await barriers(page)).toEqual([]);
});

const PAYMENT_PAGE = 'https://pay.example/c/1';

test('a payment that goes on elsewhere leads there', async ({ page }) => {
  await answerAs(page, 'CreditTopUp', (data: { creditTopUp: Record<string, unknown> }) => {
    data.creditTopUp.entry = null;
    Object.assign(data.creditTopUp.payment as object, { state: 'PENDING', checkoutUrl: PAYMENT_PAGE });
  });
  await enterDemo(page, '/wallet');
  await page.getByRole('button', { name: 'Top up', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Top up the wallet' });
  await dialog.getByRole('button', { name: 'Pay $25.00' }).click();
  const link = dialog.getByRole('link', { name: 'Go to the payment page' });
  await expect(link).toHaveAttribute('href', PAYMENT_PAGE);
  await expect(link).toBeFocused();
  expect(await barriers(page)).toEqual([]);
});

test('a fee that is paid elsewhere leads there, also when the plan has begun behind the dialog', async ({ page }) => {
  await answerAs(page, 'PlanSubscribe', (data: { planSubscribe: object }) => {
    Object.assign(data.planSubscribe, { paymentUrl: PAYMENT_PAGE });
  });
  await enterDemo(page, '/plan');
  await page.getByRole('button', { name: 'Subscribe to Studio' }).click();
  const dialog = page.getByRole('dialog', { name: 'Subscribe to Studio' });
  await dialog.getByRole('button', { name: 'Subscribe' }).click();
  await expect(page.locator('.subscription')).toContainText('Studio');
  await expect(dialog.getByRole('link', { name: 'Go to the payment page' })).toHaveAttribute('href', PAYMENT_PAGE);
});

interface Listed {
  invoices: { edges: { node: Record<string, unknown> }[] };
}

/** The newest invoice as one that is overdue, and of which a part was taken back. */
function neglect(data: Listed) {
  const node = data.invoices.edges[0]!.node;
  const amount = { __typename: 'Money', amount: '2.50', currency: 'USD' };
  const note = { __typename: 'CreditNote', number: 'C-2026-000001', amount, reason: 'Billed twice' };
  Object.assign(node, {
    ...{ state: 'OVERDUE', paidAt: null, restrictsAt: '2026-12-24T00:00:00Z' },
    creditNotes: [{ ...note, issuedAt: '2026-12-01T00:00:00Z', creditedToWallet: false }],
  });
}

test('what is overdue is paid once, less what was taken back; a refusal is a sentence', async ({ page, api }) => {
  const { number } = await buyWriter(api);
  await answerAs(page, 'Invoices', neglect);
  const keys: string[] = [];
  await page.route('**/graphql', async (route) => {
    const body = route.request().postData() ?? '';
    if (!body.includes('"operationName":"InvoicePay"')) return route.fallback();
    keys.push(
      (JSON.parse(body) as { variables: { input: { idempotencyKey: string } } }).variables.input.idempotencyKey,
    );
    return keys.length === 1 ? route.abort() : route.fallback();
  });
  await enterDemo(page, '/invoices');
  await expect(invoiceOf(page, number)).toContainText('$6.50 left to pay');
  await expect(invoiceOf(page, number)).toContainText('From 24 December 2026 on nothing new is generated');
  await page.getByRole('button', { name: `Pay ${number}` }).click();
  const dialog = page.getByRole('dialog', { name: `Pay ${number}` });
  const pay = dialog.getByRole('button', { name: 'Pay $6.50' });
  await pay.click();
  await expect(dialog.getByRole('alert')).toContainText('The server cannot be reached.');
  await pay.click();
  await expect(dialog.getByRole('alert')).toHaveText('The invoice is PAID.');
  await pay.click();
  await expect.poll(() => keys.length).toBe(3);
  expect(keys[1]).toBe(keys[0]);
  expect(keys[2]).not.toBe(keys[1]);
  expect(await barriers(page)).toEqual([]);
});

test('whom invoices are for is set, and what is wrong with it is said at its field', async ({ page }) => {
  await enterDemo(page, '/invoices');
  await page.getByRole('button', { name: 'Billing details' }).click();
  const dialog = page.getByRole('dialog', { name: 'Billing details' });
  await dialog.getByLabel('Name of a person or company').fill('Quiet Books Ltd');
  await dialog.getByLabel('Address').fill('1 Long Lane\nOldtown');
  await dialog.getByLabel('Country').fill('1x');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByLabel('Country')).toHaveAttribute('aria-invalid', 'true');
  expect(await barriers(page)).toEqual([]);
  await dialog.getByLabel('Country').fill('nz');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog).toHaveCount(0);
  await page.getByRole('button', { name: 'Billing details' }).click();
  await expect(dialog.getByLabel('Country')).toHaveValue('NZ');
  await expect(dialog.getByLabel('Address')).toHaveValue('1 Long Lane\nOldtown');
});

test('an alert and automatic top-ups are set, and are there after a reload', async ({ page }) => {
  await enterDemo(page, '/wallet');
  const alert = page.getByRole('form', { name: 'Alert' });
  await alert.getByLabel('Below, in USD').fill('2,5');
  await alert.getByRole('button', { name: 'Save' }).click();
  await expect(alert.getByRole('status')).toHaveText('Saved.');
  const automatic = page.getByRole('form', { name: 'Top up automatically' });
  await automatic.getByLabel('Pay, in USD').fill('40');
  await automatic.getByLabel('Monthly limit in USD').fill('20');
  await automatic.getByRole('button', { name: 'Save' }).click();
  await expect(automatic.getByLabel('Monthly limit in USD')).toHaveAttribute('aria-invalid', 'true');
  expect(await barriers(page)).toEqual([]);
  await automatic.getByLabel('Monthly limit in USD').fill('80');
  await automatic.getByRole('button', { name: 'Save' }).click();
  await expect(automatic.getByRole('status')).toHaveText('Saved.');
  await page.reload();
  await expect(alert.getByLabel('Below, in USD')).toHaveValue('2.5');
  await expect(automatic.getByLabel('Pay, in USD')).toHaveValue('40');
  await alert.getByLabel('Below, in USD').fill('');
  await alert.getByRole('button', { name: 'Save' }).click();
  await expect(alert.getByRole('status')).toHaveText('Saved.');
});

const LOOKS = [
  { name: 'en-light', language: 'en', scheme: 'light', width: 1360 },
  { name: 'en-dark-narrow', language: 'en', scheme: 'dark', width: 360 },
  { name: 'zh-dark', language: 'zh', scheme: 'dark', width: 1360 },
  { name: 'zh-light-narrow', language: 'zh', scheme: 'light', width: 360 },
] as const;

for (const { name, language, scheme, width } of LOOKS) {
  test(`pictures of plans and invoices, ${name}`, async ({ page, api }) => {
    const picture = async (of: string) => {
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: `e2e/artifacts/${name}/${of}.png`, animations: 'disabled', fullPage: true });
      expect(await barriers(page), of).toEqual([]);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow, of).toBe(0);
    };
    await page.addInitScript((to) => localStorage.setItem('fabula.language', to), language);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 850 });
    await enterDemo(page, '/plan');
    await page.getByRole('button', { name: /^(Subscribe to Writer|订阅“Writer”)$/ }).click();
    await picture('18-subscribe');
    await page.keyboard.press('Escape');
    await buyWriter(api);
    await page.reload();
    await expect(page.getByRole('region', { name: 'Writer' })).toBeVisible();
    await picture('19-plan');
    await answerAs(page, 'Invoices', neglect);
    await page.getByRole('link', { name: /^(Invoices|账单)$/ }).click();
    await page.locator('.invoice summary').first().click();
    await picture('20-invoices');
    await page
      .getByRole('button', { name: /^(Pay|支付) F-/ })
      .first()
      .click();
    await picture('21-pay');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^(Billing details|开票信息)$/ }).click();
    await expect(page.getByRole('dialog').getByRole('textbox').first()).toBeVisible();
    await picture('22-details');
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: /^(Wallet|钱包)$/ }).click();
    await expect(page.getByRole('form')).toHaveCount(2);
    await picture('23-low-credit');
  });
}
