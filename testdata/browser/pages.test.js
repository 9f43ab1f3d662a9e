// Every page that a person sees, in each look: axe finds nothing, nothing is wider than the window, nothing is reported as
// an error. With SCREENS=docs the pictures of the documentation are written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, fits, launch, looks, person, screenshot } from './browser.js';
import { ask, authority, callback, discover, link, protect, publish, register, request } from './doorward.js';

// The narrowest window that WCAG 1.4.10 asks for.
const narrow = { name: 'narrow', width: 320, height: 640, colorScheme: 'light' };

// Those that stand in docs/screens; the pictures of the others are for whoever changes the pages.
const shown = ['sign-in', 'consent', 'problem', 'home'];

test('pages: axe finds nothing on any page, in light and dark, on phone and desktop', async (t) => {
  const browser = await launch(t);
  const trusted = await authority(t);
  const installation = await protect(t, '--insecure-loopback-documents', trusted.file);
  installation.trusted = trusted;
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
      await walk(t, page, installation, judge);
      await page.context().close();
    });
  }
});

// walk brings a new person to every page.
async function walk(t, page, installation, judge) {
  await page.goto(installation.issuer);
  await judge('home-signed-out', /Protected by Doorward/);
  await page.goto(`${installation.issuer}/authorize?client_id=nobody&redirect_uri=http://127.0.0.1:1/callback`);
  await judge('problem', /did not work/);
  assert.equal(await page.locator('main button').count(), 0, 'a stranger is not sent anywhere');

  const client = await callback(t);
  const wrong = await request(installation, client.uri, { code_challenge: undefined });
  await page.goto(wrong.address);
  await judge('problem-with-button', /did not work/);
  assert.match(await page.textContent('main button'), /Tell Browser test/);

  const right = await request(installation, client.uri, { scope: 'mcp offline_access' }, { client_name: 'Harbour Notes' });
  await page.goto(right.address);
  await judge('sign-in', /Sign in/);
  await page.fill('[name=username]', installation.username);
  await page.fill('[name=password]', 'wrong');
  await page.click('main button');
  await page.getByRole('alert').waitFor();
  await judge('wrong-password', /Sign in/);
  await page.fill('[name=password]', installation.password);
  await page.click('main button');
  await page.locator('[name=decision]').first().waitFor();
  await judge('consent', /Harbour Notes/);

  await page.goto(installation.issuer);
  await judge('home', /You are signed in/);
  await page.goto(await link(installation));
  await judge('link', /Sign in as/);

  await marked(page, installation, judge);
  await longest(t, page, installation, judge);
  await published(t, page, installation, judge);
}

// published: of a client with a metadata document the page shows the host that published it.
async function published(t, page, installation, judge) {
  const redirect = 'https://notes.example/callback';
  const client = await publish(t, installation.trusted, { client_name: 'Published notes', redirect_uris: [redirect] });
  await page.goto(ask(await discover(installation), installation, client, redirect).address);
  await judge('consent-published', /Published notes/);
  const said = await page.innerText('dl');
  assert.ok(said.includes(new URL(client.client_id).host) && said.includes('published at this address'), said);
}

// marked: a client at a fixed https address is remembered, so that what it asks for later is marked as new.
async function marked(page, installation, judge) {
  const redirect = 'https://notes.example/callback';
  await page.route(`${redirect}**`, (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>Arrived</title>' }));
  const found = await discover(installation);
  const client = await register(found, redirect, { client_name: 'Remembered notes', token_endpoint_auth_method: 'client_secret_basic' });
  await page.goto(ask(found, installation, client, redirect, { scope: 'mcp' }).address);
  assert.equal(await page.locator('mark').count(), 0, 'nothing is new the first time');
  await page.click('[name=decision][value=allow]');
  await page.waitForURL(`${redirect}**`);
  await page.goto(ask(found, installation, client, redirect, { scope: 'mcp offline_access' }).address);
  await judge('consent-new', /Remembered notes/);
  assert.match(await page.locator('li', { has: page.locator('mark') }).textContent(), /offline_access/);
  assert.equal(await page.locator('mark').count(), 1, 'what was agreed to is not new');
}

// longest: a name that leaves no room must not push anything off the page.
async function longest(t, page, installation, judge) {
  const client = await callback(t);
  const name = 'W'.repeat(64);
  const { address } = await request(installation, client.uri, {}, { client_name: name });
  await page.goto(address);
  await judge('consent-long', /W/);
}
