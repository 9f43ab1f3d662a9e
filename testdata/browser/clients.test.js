// Clients that we did not write, with Chromium as the browser that their person uses, or as the place that they run in.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { play } from '../clients/session.js';
import { sdk1 } from '../clients/sdk1.js';
import { sdk2 } from '../clients/sdk2.js';
import { launch, person } from './browser.js';
import { callback, protect } from './doorward.js';

async function allow(page, installation) {
  if (await page.locator('[name=username]').count()) {
    await page.fill('[name=username]', installation.username);
    await page.fill('[name=password]', installation.password);
    await page.click('main button');
  }
  await page.getByRole('button', { name: 'Allow' }).click();
}

test('clients: npm sdk 1.x and client 2.x sign in through Chromium, call a tool and refresh', async (t) => {
  const browser = await launch(t);
  const installation = await protect(t);
  for (const sdk of [sdk1(installation.resource), sdk2(installation.resource)]) {
    const client = await callback(t);
    const page = await person(browser);
    const visit = async (address) => {
      await page.goto(address);
      await allow(page, installation);
      return `${client.uri}?${await client.arrived}`;
    };
    const { tools, content } = await play(sdk, { redirect: client.uri, tool: 'add', args: { a: 1, b: 2 }, visit });
    assert.ok(tools.includes('whoami'));
    assert.match(content[0].text, /3/);
    assert.deepEqual(page.faults, []);
  }
});

const testdata = join(dirname(fileURLToPath(import.meta.url)), '..');
const modules = {
  '@modelcontextprotocol/client': '@modelcontextprotocol/client/dist/index.mjs',
  '@modelcontextprotocol/client/_shims': '@modelcontextprotocol/client/dist/shimsBrowser.mjs',
  '@modelcontextprotocol/core': '@modelcontextprotocol/core/dist/index.mjs',
  '@modelcontextprotocol/core/internal': '@modelcontextprotocol/core/dist/internal.mjs',
  eventsource: 'eventsource/dist/index.js',
  'eventsource-parser': 'eventsource-parser/dist/index.js',
  'eventsource-parser/stream': 'eventsource-parser/dist/stream.js',
  'pkce-challenge': 'pkce-challenge/dist/index.browser.js',
  'zod/v4': 'zod/v4/index.js',
};

// application serves a page that runs testdata/clients/page.js, at an origin of its own.
async function application(t) {
  const imports = Object.fromEntries(Object.entries(modules).map(([name, path]) => [name, `/node_modules/${path}`]));
  const html = `<!doctype html><html lang="en"><title>A web client</title><link rel="icon" href="data:,"><p id="done"></p>
    <script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="/clients/page.js"></script></html>`;
  const server = createServer(async (req, res) => {
    const { pathname } = new URL(req.url, 'http://localhost');
    if (!/^\/(clients|node_modules)\//.test(pathname)) return res.writeHead(200, { 'content-type': 'text/html' }).end(html);
    const text = await readFile(join(testdata, normalize(pathname))).catch(() => null);
    res.writeHead(text ? 200 : 404, { 'content-type': 'text/javascript' }).end(text ?? '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://localhost:${server.address().port}`;
}

test('clients: npm client 2.x in a web page of another origin discovers, registers, signs in and calls', async (t) => {
  const page = await person(await launch(t));
  const installation = await protect(t);
  await page.goto(`${await application(t)}/?resource=${encodeURIComponent(installation.resource)}`);
  await page.waitForURL(`${installation.issuer}/**`);
  await allow(page, installation);
  await page.waitForURL('**/callback?**');
  const done = await page.waitForFunction(() => document.querySelector('#done').textContent);
  const found = JSON.parse(await done.jsonValue());
  assert.equal(found.error, undefined);
  assert.ok(found.tools.includes('whoami'));
  assert.match(found.content[0].text, /3/);
  assert.equal(found.revision, '2026-07-28');
  // What the browser keeps from the page, it says.
  assert.deepEqual(page.faults, []);
});
