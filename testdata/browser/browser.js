// Chromium for browser tests: start it, open a page as a device would, judge it with axe, keep its picture.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// The sizes and schemes of the pictures in docs/screens.
export const looks = [
  { name: 'phone-light', width: 390, height: 844, colorScheme: 'light' },
  { name: 'phone-dark', width: 390, height: 844, colorScheme: 'dark' },
  { name: 'desktop-light', width: 1280, height: 900, colorScheme: 'light' },
  { name: 'desktop-dark', width: 1280, height: 900, colorScheme: 'dark' },
];

// The narrowest window that WCAG 1.4.10 asks for.
const narrow = { name: 'narrow', width: 320, height: 640, colorScheme: 'light' };

// inEveryLook has `walk` bring a new person of each look to pages, and judges each of them: axe finds nothing, nothing is
// wider than the window, nothing is reported as an error. Pictures of those in `shown` are for the documentation, the others
// for whoever changes the pages.
export async function inEveryLook(t, shown, walk) {
  const browser = await launch(t);
  for (const look of [...looks, narrow]) {
    await t.test(look.name, async (t) => {
      const page = await person(browser, look);
      const judge = async (name, heading) => {
        assert.match(await page.textContent('main h1'), heading, name);
        await accessible(page);
        await fits(page);
        assert.deepEqual(page.faults, [], name);
        if (look !== narrow) await screenshot(page, `${name}-${look.name}`, shown.includes(name));
      };
      await walk(t, page, judge);
      await page.context().close();
    });
  }
}

// launch starts Chromium, and ends it with the test. CHROMIUM says which one.
export async function launch(t) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox', // the tests also run as root, where Chromium has no sandbox
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  t.after(() => browser.close());
  return browser;
}

// person opens a browser window of its own: cookies and storage of nobody else. What a page reports as an error, such as
// a violated content security policy, is in page.faults.
export async function person(browser, look = looks[2], options = {}) {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.height },
    colorScheme: look.colorScheme,
    ...options,
  });
  const page = await context.newPage();
  page.faults = [];
  page.on('console', (m) => m.type() === 'error' && !answered(m) && page.faults.push(m.text()));
  page.on('pageerror', (e) => page.faults.push(String(e)));
  return page;
}

// answered: Chromium's line for a page that came with an error status, such as a wrong password's. The same line for
// something that a page loads, such as its style, is a fault.
function answered(message) {
  return /^Failed to load resource: the server responded with a status of [45]/.test(message.text()) && !message.location().url.includes('/static/');
}

// fits fails when the page is wider than its window: nobody reads sideways (WCAG 1.4.10).
export async function fits(page) {
  const [needs, has] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(needs <= has, `${page.url()} needs ${needs} pixels and has ${has}`);
}

// accessible fails when axe finds anything on the page as it stands. It works under any content security policy.
export async function accessible(page) {
  await page.evaluate(axeSource);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
  assert.ok(passes.length > 0, 'axe judged nothing');
  assert.deepEqual(
    violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' ')}`),
    [],
    `axe on ${page.url()}`,
  );
}

// screenshot keeps the whole page's picture: in docs/screens when it is for the documentation and SCREENS=docs, else in
// the git-ignored results.
export async function screenshot(page, name, documented = false) {
  const dir = documented && process.env.SCREENS === 'docs' ? join(root, 'docs', 'screens') : join(root, 'results', 'screens');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${name}.png`);
  await page.screenshot({ path, fullPage: true, animations: 'disabled', caret: 'hide' });
  return path;
}
