// Proves that the tools work: without it, a browser test that finds nothing could be one that looks at nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { accessible, launch, looks, person, screenshot } from './browser.js';

const good = `<!doctype html><html lang="en"><title>Smoke</title><main><h1>Smoke</h1>
  <form method="post"><label>Name <input name="username"></label> <button>Send</button></form></main></html>`;
const bad = '<!doctype html><html><title>Smoke</title><main><h1>Smoke</h1><input name="username"></main></html>';

async function serve(t, html) {
  const server = createServer((req, res) => {
    // The policy of the product's pages: axe must run under it.
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': "default-src 'none'" });
    res.end(html);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}/`;
}

test('smoke: Chromium shows a loopback page and axe finds nothing on a good one', async (t) => {
  const page = await person(await launch(t));
  await page.goto(await serve(t, good));
  assert.equal(await page.textContent('h1'), 'Smoke');
  await accessible(page);
});

test('smoke: axe finds an input without a label', async (t) => {
  const page = await person(await launch(t));
  await page.goto(await serve(t, bad));
  await assert.rejects(accessible(page), /label/);
});

test('smoke: a page that breaks its own policy is noticed', async (t) => {
  const page = await person(await launch(t));
  await page.goto(await serve(t, good.replace('<main>', '<main><script>1</script>')));
  assert.match(page.faults.join(), /Content Security Policy/);
});

test('smoke: pictures have the size and scheme of their look', async (t) => {
  const browser = await launch(t);
  const address = await serve(t, good);
  for (const look of looks) {
    const page = await person(browser, look);
    await page.goto(address);
    assert.equal(await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches), look.colorScheme === 'dark');
    const png = readFileSync(await screenshot(page, `smoke-${look.name}`));
    assert.equal(png.readUInt32BE(16), look.width);
  }
});
