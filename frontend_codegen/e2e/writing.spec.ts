/** The main job, as a reader of the page sees it. */
import {
  draftOf,
  dropChannel,
  editorOf,
  enterDemo,
  expect,
  makeChannel,
  pace,
  recordFrames,
  startDraft,
  storedGeneration,
  test,
  textOf,
  waitForEnd,
  waitForLength,
} from './fixtures';

test('a newcomer enters the demo, opens the novel, presses one button and reads a chapter as it is written', async ({
  page,
  sample,
}) => {
  const frames = recordFrames(page);
  await enterDemo(page);
  await page.getByRole('link', { name: sample.title }).click();
  await page.getByRole('navigation', { name: 'Outline' }).getByRole('link').last().click();
  await page.getByRole('button', { name: 'Write this chapter' }).click();
  const lengths = new Set<number>();
  await expect
    .poll(
      async () => {
        lengths.add((await textOf(page)).length);
        return draftOf(page).getAttribute('aria-busy');
      },
      { intervals: [25], timeout: 45_000 },
    )
    .toBe('false');
  expect(lengths.size).toBeGreaterThan(5);
  expect(await textOf(page)).toBe(frames.text());
  await expect(page.getByRole('status').filter({ hasText: 'The draft is ready' })).toBeVisible();
});

test('a draft goes on when its tab is closed, and another browser shows the same text without a gap', async ({
  browser,
  page,
  api,
  novel,
  baseURL,
}) => {
  await enterDemo(page, novel.path);
  await startDraft(page, pace(400, 40));
  const seen = await waitForLength(page, 120);
  await page.context().close();

  const elsewhere = await browser.newContext({ baseURL: baseURL!, locale: 'zh-CN' });
  const other = await elsewhere.newPage();
  const frames = recordFrames(other);
  await enterDemo(other, novel.path);
  const caughtUp = await waitForLength(other, seen.length);
  expect(caughtUp.startsWith(seen)).toBe(true);
  await expect(draftOf(other)).toHaveAttribute('aria-busy', 'true');
  await waitForEnd(other);
  const stored = await storedGeneration(api, novel.chapterId);
  expect(stored.state).toBe('COMPLETED');
  expect(frames.text()).toBe(stored.version!.text);
  expect(await textOf(other)).toBe(stored.version!.text);
  await elsewhere.close();
});

test('a reload in the middle finds the draft again', async ({ page, api, novel }) => {
  await enterDemo(page, novel.path);
  await startDraft(page, pace(400, 40));
  const seen = await waitForLength(page, 120);
  const frames = recordFrames(page);
  await page.reload();
  expect((await waitForLength(page, seen.length)).startsWith(seen)).toBe(true);
  await waitForEnd(page);
  const stored = await storedGeneration(api, novel.chapterId);
  expect(frames.text()).toBe(stored.version!.text);
  expect(await textOf(page)).toBe(stored.version!.text);
});

test('why no draft was written is still there after a reload', async ({ page, api, novel }) => {
  const id = await makeChannel(api, {
    name: `Unplugged ${Date.now()}`,
    provider: 'OPENAI_COMPATIBLE',
    models: ['unplugged'],
    baseUrl: 'http://127.0.0.1:9/v1',
  });
  const start = `mutation ($input: ChapterGenerateInput!) { chapterGenerate(input: $input) { __typename } }`;
  const input = {
    chapterId: novel.chapterId,
    instructions: '',
    idempotencyKey: novel.chapterId,
    model: 'unplugged',
  };
  const { chapterGenerate } = await api.run<{ chapterGenerate: { __typename: string } }>(start, { input });
  expect(chapterGenerate.__typename).toBe('GenerationStarted');
  await expect
    .poll(async () => (await storedGeneration(api, novel.chapterId)).state, { timeout: 30_000 })
    .toBe('FAILED');
  await enterDemo(page, novel.path);
  await expect(page.getByText('No draft was written.')).toBeVisible();
  await page.reload();
  await expect(page.getByText('No draft was written.')).toBeVisible();
  await page.getByRole('button', { name: '中文' }).click();
  await expect(page.getByText('没有写出草稿。连不上模型服务商，请再试一次，或换一个模型。')).toBeVisible();
  await dropChannel(api, id);
});

test('a dropped connection resumes behind the last event', async ({ page, api, novel }) => {
  const subscriptions: { after: string | null }[] = [];
  let lastCursor: string | null = null;
  let drop = () => {};
  await page.routeWebSocket('**/graphql', (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      const { type, payload } = JSON.parse(String(message)) as {
        type: string;
        payload: { variables: { after: string | null } };
      };
      if (type === 'subscribe') subscriptions.push(payload.variables);
      server.send(message);
    });
    server.onMessage((message) => {
      const { payload } = JSON.parse(String(message)) as {
        payload?: { data?: { generationEvents: { cursor: string } } };
      };
      lastCursor = payload?.data?.generationEvents.cursor ?? lastCursor;
      socket.send(message);
    });
    drop = () => {
      void server.close();
      void socket.close({ code: 1012, reason: 'restart' });
    };
  });
  await enterDemo(page, novel.path);
  await startDraft(page, pace(120, 30));
  await waitForLength(page, 120);
  drop();
  const cursorAtDrop = lastCursor;
  await waitForEnd(page);
  expect(subscriptions.map(({ after }) => after)).toEqual([null, cursorAtDrop]);
  expect(await textOf(page)).toBe((await storedGeneration(api, novel.chapterId)).version!.text);
});

for (const width of [1360, 420]) {
  test(`a growing draft is followed until the reader scrolls up, ${width} wide`, async ({ page, novel }) => {
    await page.setViewportSize({ width, height: 600 });
    await enterDemo(page, novel.path);
    await startDraft(page, pace(400, 25));
    /** How far below the window the last letter is, in pixels. */
    const caret = () =>
      draftOf(page).evaluate((element) => {
        const range = document.createRange();
        const text = element.firstChild as Text;
        range.setStart(text, text.data.trimEnd().length - 1);
        range.setEnd(text, text.data.trimEnd().length);
        return range.getBoundingClientRect().bottom - window.innerHeight;
      });
    await waitForLength(page, 1_200);
    await expect.poll(caret).toBeLessThan(0);
    await draftOf(page).hover();
    await page.mouse.wheel(0, -5_000);
    await expect.poll(caret).toBeGreaterThan(0);
    await waitForLength(page, (await textOf(page)).length + 200);
    expect(await caret()).toBeGreaterThan(0);
  });
}

test('stopping keeps what was written', async ({ page, api, novel }) => {
  await enterDemo(page, novel.path);
  await startDraft(page, pace(400, 30));
  const seen = await waitForLength(page, 120);
  await page.getByRole('button', { name: 'Stop' }).click();
  await waitForEnd(page);
  await expect(page.getByRole('status').filter({ hasText: 'Stopped. What was written so far is kept.' })).toBeVisible();
  const stored = await storedGeneration(api, novel.chapterId);
  expect(stored.state).toBe('CANCELLED');
  expect(stored.version!.state).toBe('CANDIDATE');
  expect(stored.version!.text.startsWith(seen)).toBe(true);
  expect(await textOf(page)).toBe(stored.version!.text);
});

test('an accepted draft becomes the text of the chapter', async ({ page, api, novel }) => {
  await enterDemo(page, novel.path);
  await startDraft(page, pace(20, 5));
  await waitForEnd(page);
  const text = await textOf(page);
  await page.getByRole('button', { name: 'Accept' }).click();
  await expect(editorOf(page)).toHaveValue(text);
  await expect(page.getByRole('tab', { name: 'Draft' })).toHaveCount(0);
  await expect(page.getByRole('navigation', { name: 'Outline' }).getByText('(accepted)')).toBeAttached();
  expect((await storedGeneration(api, novel.chapterId)).version!.state).toBe('CURRENT');
});

test('a draft that is set aside leaves the text alone and stays among the versions', async ({ page, api, novel }) => {
  await enterDemo(page, novel.path);
  await editorOf(page).fill('My own first line.');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await startDraft(page, pace(20, 5));
  await waitForEnd(page);
  await page.getByRole('button', { name: 'Set aside' }).click();
  await expect(editorOf(page)).toHaveValue('My own first line.');
  await page.getByRole('tab', { name: 'Versions' }).click();
  await expect(page.getByRole('button', { name: /Version 2 set aside/ })).toBeVisible();
  expect((await storedGeneration(api, novel.chapterId)).version!.state).toBe('REJECTED');
});

test('a draft can be written and accepted with the keyboard alone', async ({ page, novel }) => {
  await enterDemo(page, novel.path);
  const instructions = page.getByLabel('Instructions for this draft');
  await instructions.focus();
  await page.keyboard.type(pace(20, 5));
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
  for (let i = 0; i < 5 && !(await focused()).includes('Write this chapter'); i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await waitForEnd(page);
  await draftOf(page).focus();
  for (let i = 0; i < 5 && !(await focused()).includes('Accept'); i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(editorOf(page)).not.toHaveValue('');
});
