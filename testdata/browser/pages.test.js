// Every page that a person sees, in each look: axe finds nothing, nothing is wider than the window, nothing is reported as
// an error. With SCREENS=docs the pictures of the documentation are written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inEveryLook } from './browser.js';
import { ask, authority, callback, discover, link, protect, publish, register, request } from './doorward.js';
import { begin, desktop, office, task } from './office.js';

test('pages: axe finds nothing on any page, in light and dark, on phone and desktop', async (t) => {
  const trusted = await authority(t);
  const installation = await protect(t, '--insecure-loopback-documents', trusted.file);
  installation.trusted = trusted;
  await inEveryLook(t, ['sign-in', 'consent', 'problem', 'home'], (t, page, judge) => walk(t, page, installation, judge));
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

test('pages: axe finds nothing on the pages of devices, choices, tasks and sign-out, in every look', async (t) => {
  const trusted = await authority(t);
  const installation = await office(t, { authority: trusted.file });
  installation.trusted = trusted;
  await inEveryLook(t, ['device', 'consent-device', 'consent-choice', 'consent-task'], (t, page, judge) => walkOffice(t, page, installation, judge));
});

// walkOffice brings a new person to the pages that one server and one client cannot show.
async function walkOffice(t, page, installation, judge) {
  const device = await begin(installation);
  await page.goto(device.verification_uri);
  await judge('device', /Connect a device/);
  await page.fill('[name=user_code]', device.user_code);
  await page.click('main button');
  await page.fill('[name=username]', installation.username);
  await page.fill('[name=password]', installation.password);
  await page.click('main button');
  await judge('consent-device', /Living room screen/);
  await page.goto(device.verification_uri_complete);
  await judge('device-filled', /Connect a device/);
  await page.fill('[name=user_code]', 'BBBB-BBBB');
  await page.click('main button');
  await page.getByRole('alert').waitFor();
  await judge('device-mistyped', /Connect a device/);
  await page.goto(`${installation.issuer}/device/done`);
  await judge('device-done', /is connected/);
  await page.goto(`${installation.issuer}/device/done?declined=1`);
  await judge('device-declined', /gets no access/);

  const client = await callback(t);
  await page.goto((await desktop(installation, client.uri, { resource: undefined })).address);
  await judge('consent-choice', /Harbour Desktop/);
  await page.goto((await desktop(installation, client.uri, { resource: undefined, scope: 'openid profile customers:read files:read' })).address);
  await judge('consent-choice-openid', /Harbour Desktop/);
  const { address } = await desktop(installation, client.uri);
  await page.goto(`${address}&resource=${encodeURIComponent(installation.files)}`);
  await judge('consent-several', /2 servers/);
  await page.goto((await desktop(installation, client.uri, task(1798800000))).address);
  await judge('consent-task', /Harbour Desktop/);

  const known = 'https://claude.ai/api/mcp/auth_callback';
  const found = await discover(installation);
  await page.goto(ask(found, installation, await register(found, known, { client_name: 'Claude' }), known, { resource: installation.files }).address);
  await judge('consent-known', /Claude/);
  const away = await publish(t, installation.trusted, { redirect_uris: [client.uri] });
  away.withhold(true);
  await page.goto(ask(found, installation, away, client.uri, { resource: installation.files }).address);
  await judge('document-away', /did not work/);

  await page.goto(`${installation.issuer}/logout?client_id=desktop`);
  await judge('sign-out', /Sign out\?/);
  await page.goto(`${installation.issuer}/logout?state=x`);
  await judge('sign-out-stranger', /Sign out\?/);
  const stranger = await register(found, client.uri, { client_name: 'Harbour Notes', post_logout_redirect_uris: ['https://notes.example/bye'] });
  await page.goto(`${installation.issuer}/logout?client_id=${stranger.client_id}&post_logout_redirect_uri=https://notes.example/bye`);
  await page.click('main button');
  await judge('signed-out', /You are signed out/);
}

test('pages: axe finds nothing on the page of a client that waits for an administrator', async (t) => {
  const installation = await office(t, { mode: 'review' });
  const found = await discover(installation);
  const client = await register(found, 'http://127.0.0.1:9/callback', { client_name: 'New here' });
  await inEveryLook(t, [], async (t, page, judge) => {
    await page.goto(ask(found, installation, client, 'http://127.0.0.1:9/callback', { resource: installation.files }).address);
    await judge('client-waits', /waits/);
  });
});
