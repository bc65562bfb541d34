/** Every page in both languages and themes, for people to look at, without barriers; and what the switches promise. */
import {
  barriers,
  draftOf,
  dropNovel,
  editorOf,
  enterDemo,
  expect,
  makeAssistant,
  makeBase,
  makeConversation,
  makeNovel,
  pace,
  say,
  startDraft,
  test,
  waitForEnd,
  waitForLength,
} from './fixtures';

const LOOKS = [
  { name: 'en-light', language: 'en', scheme: 'light', width: 1360 },
  { name: 'zh-dark', language: 'zh', scheme: 'dark', width: 1360 },
  { name: 'zh-light-narrow', language: 'zh', scheme: 'light', width: 420 },
] as const;

for (const { name, language, scheme, width } of LOOKS) {
  test(`pictures of every page, ${name}`, async ({ page, api, sample }) => {
    const picture = async (of: string) => {
      await page.screenshot({ path: `e2e/artifacts/${name}/${of}.png`, animations: 'disabled' });
      expect(await barriers(page), of).toEqual([]);
    };
    await page.addInitScript((to) => localStorage.setItem('fabula.language', to), language);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 850 });
    await page.goto('/login');
    await expect(page.getByRole('button', { name: /Enter the demo|进入演示/ })).toBeVisible();
    await picture('1-login');
    await page.goto('/register');
    await picture('2-register');
    await enterDemo(page);
    await expect(page.getByRole('link', { name: sample.title })).toBeVisible();
    await picture('3-shelf');
    await page.getByRole('link', { name: sample.title }).click();
    await expect(
      page
        .getByRole('region', { name: /^(Codex|设定集)$/ })
        .getByRole('listitem')
        .first(),
    ).toBeVisible();
    await picture('4-novel');
    const { path, projectId } = await makeNovel(api, language === 'zh' ? '图画' : 'Pictures', language);
    await page.goto(path);
    await expect(editorOf(page)).toBeVisible();
    await picture('5-chapter');
    await startDraft(page, pace(260, 10));
    await waitForLength(page, 200);
    await picture('6-writing');
    await waitForEnd(page);
    await expect(page.getByRole('button', { name: /^(Accept|采用)$/ })).toBeVisible();
    await picture('7-draft');
    await page.getByRole('button', { name: /^(Why this channel\?|为什么用这个渠道？)$/ }).click();
    await expect(page.getByRole('heading', { name: /^(Calls|调用)$/ })).toBeVisible();
    await picture('7-why');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^(Accept|采用)$/ }).click();
    await expect(editorOf(page)).not.toHaveValue('');
    await page.getByRole('tab', { name: /^(Versions|版本)$/ }).click();
    await picture('8-accepted');
    await expect(draftOf(page)).toHaveCount(0);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
    await dropNovel(api, projectId);
    await page.getByRole('link', { name: /^(Channels|渠道)$/ }).click();
    await expect(page.getByRole('article').first()).toBeVisible();
    await page.getByRole('checkbox', { name: /^(Have a fallback|没有合适的渠道)/ }).check();
    await picture('9-channels');
    await page.getByRole('button', { name: /^(New channel|新建渠道)$/ }).click();
    await picture('10-channel');
  });
}

for (const { name, language, scheme, width } of LOOKS) {
  test(`pictures of conversations, knowledge and assistants, ${name}`, async ({ page, api }) => {
    test.setTimeout(120_000);
    const picture = async (of: string) => {
      await page.screenshot({ path: `e2e/artifacts/${name}/${of}.png`, animations: 'disabled' });
      expect(await barriers(page), of).toEqual([]);
      const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
      expect(await page.evaluate(overflow), of).toBe(0);
    };
    const base = await makeBase(api, `Pictures ${name}`, 'The toll is four copper rings.\n\n过苍鹭桥要付四枚铜环。');
    const { id, path } = await makeConversation(api, { title: `Pictures ${name}`, knowledgeBaseIds: [base] });
    await say(api, id, 'What is the toll? 过桥要付多少？', '');
    await say(api, id, 'How many copper rings? 几枚铜环？', '');
    const assistant = await makeAssistant(api, `Pictures ${name}`);
    await page.addInitScript((to) => localStorage.setItem('fabula.language', to), language);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 850 });
    await enterDemo(page, '/chat');
    await expect(page.getByRole('link', { name: `Pictures ${name}` }).first()).toBeVisible();
    await picture('11-conversations');
    await page.goto(path);
    await expect(page.locator('.sources').first()).toBeVisible();
    await picture('12-conversation');
    await page.locator('button.chip').first().click();
    await expect(page.locator('.passage mark')).toBeVisible();
    await picture('13-passage');
    await page.goto(`/knowledge/${encodeURIComponent(base)}`);
    await expect(page.locator('.doc')).toHaveCount(1);
    await picture('14-base');
    await page.getByRole('tab').nth(1).click();
    await page.getByRole('searchbox').fill('copper');
    await page.locator('.tester-checks input').last().check();
    await page.locator('.tester .button').click();
    await expect(page.locator('.found-hit').first()).toBeVisible();
    await picture('15-search');
    await page.goto(`/assistants/${encodeURIComponent(assistant)}`);
    await expect(page.locator('.assistant-version')).toHaveCount(1);
    await picture('16-assistant');
    await api.run(`mutation ($id: ID!) { knowledgeBaseDelete(input: {id: $id}) { deletedId } }`, { id: base });
  });
}

test('language and theme are remembered', async ({ page }) => {
  await enterDemo(page);
  await page.getByRole('button', { name: '中文' }).click();
  await page.getByRole('button', { name: '主题：跟随系统' }).click();
  await page.getByRole('button', { name: '主题：浅色' }).click();
  await page.reload();
  await expect(page.getByRole('heading', { name: '你的书架' })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hans');
  expect(await page.evaluate(() => getComputedStyle(document.body).color)).toBe('rgb(221, 219, 212)');
});
