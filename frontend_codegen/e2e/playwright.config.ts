import { existsSync } from 'node:fs';

import { defineConfig, devices } from '@playwright/test';

/** FABULA_URL names a product that runs already; without it the tests start one of their own. */
const running = process.env.FABULA_URL;
const CHROMIUMS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/google-chrome'];
const executablePath = process.env.CHROMIUM_PATH ?? CHROMIUMS.find((path) => existsSync(path));

export default defineConfig({
  testDir: '.',
  outputDir: 'artifacts/traces',
  workers: 1,
  retries: process.env.CI ? 1 : 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    ...devices['Desktop Chrome'],
    viewport: { width: 1360, height: 850 },
    // start.mjs prints the address with this name; Playwright hands what the pattern caught to the tests.
    baseURL: running ?? process.env.FABULA_E2E_URL ?? 'http://127.0.0.1:1',
    locale: 'en-GB',
    serviceWorkers: 'block',
    trace: 'retain-on-failure',
    launchOptions: {
      ...(executablePath && { executablePath }),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
      ],
    },
  },
  ...(!running && {
    webServer: {
      command: 'node start.mjs',
      wait: { stdout: /fabula is at (?<fabula_e2e_url>\S+)/ },
      stdout: 'pipe' as const,
      stderr: 'pipe' as const,
      timeout: 120_000,
      gracefulShutdown: { signal: 'SIGTERM' as const, timeout: 20_000 },
    },
  }),
});
