/** The author's own work: text and its conflicts, outline, codex, shelf, account. */
import { dropNovel, editorOf, enterDemo, expect, makeNovel, test } from './fixtures';

test('two windows that edit one chapter are shown both texts, and nothing is lost', async ({
  page,
  context,
  novel,
  api,
}) => {
  await enterDemo(page, novel.path);
  const other = await context.newPage();
  await other.goto(novel.path);
  await editorOf(page).fill('The lamp was out.\n\nNobody saw.');
  await editorOf(other).fill('The lamp was lit.\n\nNobody saw.');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await expect(page.getByRole('button', { name: 'Saved' })).toBeVisible();

  await other.getByRole('button', { name: 'Save', exact: true }).click();
  const dialog = other.getByRole('dialog', { name: 'The chapter was changed elsewhere' });
  await expect(dialog.getByRole('region', { name: 'Your text' })).toContainText('The lamp was lit.');
  await expect(dialog.getByRole('region', { name: 'Saved meanwhile (version 1)' })).toContainText('The lamp was out.');
  await expect(dialog.locator('mark')).toHaveText(['The lamp was lit.', 'The lamp was out.']);
  await other.screenshot({ path: 'e2e/artifacts/conflict.png' });
  await dialog.getByRole('button', { name: 'Save mine' }).click();
  await expect(other.getByRole('button', { name: 'Saved' })).toBeVisible();

  const query = `query ($id: ID!) { node(id: $id) { ... on Chapter { versions(first: 5) { edges { node { number text state } } } } } }`;
  const { node } = await api.run<{ node: { versions: { edges: { node: unknown }[] } } }>(query, {
    id: novel.chapterId,
  });
  expect(node.versions.edges.map((edge) => edge.node)).toEqual([
    { number: 2, text: 'The lamp was lit.\n\nNobody saw.', state: 'CURRENT' },
    { number: 1, text: 'The lamp was out.\n\nNobody saw.', state: 'ARCHIVED' },
  ]);
});

test('taking the other text drops one’s own', async ({ page, context, novel }) => {
  await enterDemo(page, novel.path);
  const other = await context.newPage();
  await other.goto(novel.path);
  await editorOf(other).fill('Mine.');
  await editorOf(page).fill('Theirs.');
  await page.keyboard.press('Control+s');
  await expect(page.getByRole('button', { name: 'Saved' })).toBeVisible();
  await other.getByRole('button', { name: 'Save', exact: true }).click();
  await other.getByRole('button', { name: 'Take theirs' }).click();
  await expect(editorOf(other)).toHaveValue('Theirs.');
});

test('unsaved text survives a closed tab', async ({ page, context, novel }) => {
  await enterDemo(page, novel.path);
  await editorOf(page).fill('Half a sentence about the');
  await page.close();
  const again = await context.newPage();
  await again.goto(novel.path);
  await expect(editorOf(again)).toHaveValue('Half a sentence about the');
  await expect(again.getByText('Your unsaved changes from before were brought back.')).toBeVisible();
});

test('an earlier version can be read and brought back', async ({ page, novel }) => {
  await enterDemo(page, novel.path);
  for (const text of ['First.', 'Second.']) {
    await editorOf(page).fill(text);
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await expect(page.getByRole('button', { name: 'Saved' })).toBeVisible();
  }
  await page.getByRole('tab', { name: 'Versions' }).click();
  await page.getByRole('button', { name: /^Version 1/ }).click();
  await expect(page.getByRole('region', { name: 'Version 1' })).toHaveText('First.');
  await page.getByRole('button', { name: 'Make this the text' }).click();
  await expect(editorOf(page)).toHaveValue('First.');
  await expect(page.getByRole('button', { name: /^Version 3 current/ })).toBeVisible();
});

test('the outline grows, is renamed, reordered and cut', async ({ page, novel }) => {
  await enterDemo(page, `/projects/${encodeURIComponent(novel.projectId)}`);
  const outline = page.getByRole('navigation', { name: 'Outline' });
  const titles = () => outline.locator('.row-name').allTextContents();
  const add = async (kind: string, title: string) => {
    await outline.getByRole('button', { name: 'Add to the outline' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add to the outline' });
    await dialog.getByLabel('What').selectOption({ label: kind });
    await dialog.getByRole('textbox', { name: 'Title' }).fill(title);
    await dialog.getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('dialog')).toHaveCount(0);
  };
  const act = async (title: string, action: string) => {
    await outline.getByRole('button', { name: `Actions for “${title}”` }).click({ force: true });
    await page.getByRole('menuitem', { name: action }).click();
  };
  await add('Chapter', 'Chapter Two');
  await expect.poll(titles).toEqual(['Chapter One', 'Chapter Two']);
  await act('Chapter Two', 'Move up');
  await expect.poll(titles).toEqual(['Chapter Two', 'Chapter One']);
  await act('Chapter Two', 'Rename');
  await page.getByRole('dialog').getByRole('textbox', { name: 'Title' }).fill('Prologue');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await expect.poll(titles).toEqual(['Prologue', 'Chapter One']);
  await act('Prologue', 'Delete');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect.poll(titles).toEqual(['Chapter One']);
});

test('a codex entry is made, changed and deleted', async ({ page, novel }) => {
  await enterDemo(page, `/projects/${encodeURIComponent(novel.projectId)}`);
  const codex = page.getByRole('region', { name: 'Codex' });
  await codex.getByRole('button', { name: 'Add an entry' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Ines');
  await dialog.getByLabel('Also called').fill('the keeper，守灯人');
  await dialog.getByLabel('Details').fill('age: 34');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await codex.getByRole('button', { name: 'Ines' }).click();
  await expect(dialog.getByLabel('Also called')).toHaveValue('the keeper, 守灯人');
  await expect(dialog.getByLabel('Details')).toHaveValue('age: 34');
  await dialog.getByLabel('Summary').fill('Keeps the light.');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(codex.getByRole('button', { name: 'Ines' })).toContainText('Keeps the light.');
  await codex.getByRole('button', { name: 'Ines' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(codex.getByRole('button', { name: 'Ines' })).toHaveCount(0);
});

test('a novel is begun, found by its text, deleted and restored', async ({ page, api }) => {
  await enterDemo(page);
  await page.getByRole('button', { name: 'New novel' }).click();
  const dialog = page.getByRole('dialog', { name: 'New novel' });
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByRole('textbox', { name: 'Title' })).toHaveAttribute('aria-invalid', 'true');
  await dialog.getByRole('textbox', { name: 'Title' }).fill('The Salt Road');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { name: 'The Salt Road', level: 1 })).toBeVisible();

  const { projectId, chapterId } = await makeNovel(api, '盐路', 'zh');
  const save = `mutation ($input: ChapterTextUpdateInput!) { chapterTextUpdate(input: $input) { version { id } } }`;
  await api.run(save, { input: { chapterId, text: '驼队在黎明前越过盐湖，谁也没有回头。', baseVersionId: null } });
  await page.getByRole('link', { name: 'Fabula' }).click();
  await page.getByRole('searchbox').fill('越过盐湖');
  await expect(page.locator('mark').filter({ hasText: '越过盐湖' })).toBeVisible();
  await expect(page).toHaveURL(/\?q=/);
  await page.getByRole('searchbox').fill('');

  const book = page.getByRole('listitem').filter({ hasText: 'The Salt Road' });
  await book.getByRole('button').click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await expect(page.getByText('“The Salt Road” was deleted.')).toBeVisible();
  await expect(book).toHaveCount(0);
  await page.getByRole('tab', { name: 'Deleted' }).click();
  await page.getByRole('button', { name: 'Restore “The Salt Road”' }).click();
  await page.getByRole('tab', { name: 'Novels' }).click();
  await expect(book).toBeVisible();
  await dropNovel(api, projectId);
});

test('a person registers, signs out and logs in again', async ({ page }) => {
  const email = `writer-${Date.now()}@example.org`;
  await page.goto('/register');
  await page.getByLabel('Your name').fill('Wen');
  await page.getByLabel('Name of your studio').fill('Harbour');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill('a long enough password');
  await page.getByRole('button', { name: 'Create the account' }).click();
  await expect(page.getByText('The shelf is empty. Begin a novel.')).toBeVisible();
  await page.getByRole('button', { name: 'Account: Wen' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await page.getByLabel('Password').fill('a long enough password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'Your shelf' })).toBeVisible();
});

test('a refused token is renewed without the reader noticing', async ({ page, novel }) => {
  await enterDemo(page, novel.path);
  let refusals = 0;
  await page.route('**/graphql', async (route) => {
    const isChapter = route.request().postData()?.includes('"operationName":"Chapter"') ?? false;
    if (!isChapter || refusals++ > 0) return route.continue();
    await route.fulfill({
      status: 401,
      json: { errors: [{ message: 'expired', extensions: { code: 'UNAUTHENTICATED' } }] },
    });
  });
  await page.reload();
  await expect(editorOf(page)).toBeVisible();
  expect(refusals).toBe(2);
});

test('a deep link asks for the login and then opens', async ({ page, novel }) => {
  await enterDemo(page, novel.path);
  await expect(page.getByRole('heading', { name: 'Chapter One', level: 1 })).toBeVisible();
  await page.goto('/projects/none/chapters/none');
  await expect(page.getByText('There is nothing at this address.')).toBeVisible();
});
