// Signing in and deciding, as a person in a browser does it, up to a client's callback on loopback.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { launch, looks, person } from './browser.js';
import { callback, link, protect, request } from './doorward.js';

const desktop = looks[2];

async function signIn(page, installation) {
  await page.fill('[name=username]', installation.username);
  await page.fill('[name=password]', installation.password);
  await page.click('main button');
}

test('sign-in: password, consent, and the code arrives at the client', async (t) => {
  const browser = await launch(t);
  const installation = await protect(t);
  for (const javaScriptEnabled of [true, false]) {
    const client = await callback(t);
    const { address, state, verifier, client_id } = await request(installation, client.uri);
    const page = await person(browser, desktop, { javaScriptEnabled });
    await page.goto(address);
    await signIn(page, installation);
    await page.locator('[name=decision]').first().click();
    const arrived = await client.arrived;
    await page.waitForURL(`${client.uri}?**`);
    assert.equal(arrived.get('state'), state);
    assert.equal(arrived.get('iss'), installation.issuer);
    // A page that hindered the redirect, by form-action or otherwise, would have said so.
    assert.deepEqual(page.faults, []);
    await redeem(installation, { client_id, verifier, redirect: client.uri, code: arrived.get('code') });
    for (const cookie of await page.context().cookies()) {
      assert.ok(cookie.httpOnly && cookie.sameSite !== 'None', `the cookie ${cookie.name} can be read or sent by others`);
    }
    await page.context().close();
  }
});

async function redeem(installation, { client_id, verifier, redirect, code }) {
  const answer = await fetch(`${installation.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'authorization_code', client_id, code, redirect_uri: redirect, code_verifier: verifier, resource: installation.resource }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  assert.ok((await answer.json()).access_token);
}

test('sign-in: the consent page says who asks, how that is known, where the code goes, what for, and who is signed in', async (t) => {
  const page = await person(await launch(t));
  const installation = await protect(t);
  const client = await callback(t);
  await page.goto((await request(installation, client.uri, {}, { client_name: 'Harbour Notes' })).address);
  await signIn(page, installation);
  await page.locator('[name=decision]').first().waitFor();
  const said = await page.innerText('main');
  for (const fact of ['Harbour Notes', 'Nobody has verified its name', new URL(client.uri).host, installation.resource, 'Use the tools, resources and prompts', installation.username]) {
    assert.ok(said.includes(fact), `${fact} is not on the page:\n${said}`);
  }
  assert.deepEqual(await page.locator('[name=decision]').evaluateAll((all) => all.map((b) => [b.value, b.textContent])), [
    ['allow', 'Allow'],
    ['deny', 'Deny'],
  ]);
});

test('sign-in: Deny sends access_denied to the client', async (t) => {
  const page = await person(await launch(t));
  const installation = await protect(t);
  const client = await callback(t);
  const { address, state } = await request(installation, client.uri);
  await page.goto(address);
  await signIn(page, installation);
  await page.getByRole('button', { name: 'Deny' }).click();
  const arrived = await client.arrived;
  assert.equal(arrived.get('error'), 'access_denied');
  assert.equal(arrived.get('state'), state);
  assert.equal(arrived.get('iss'), installation.issuer);
  assert.equal(arrived.get('code'), null);
  await page.waitForURL(`${client.uri}?**`);
  assert.deepEqual(page.faults, []);
});

test('sign-in: the problem page tells the client when its button is pressed, and not before', async (t) => {
  const page = await person(await launch(t));
  const installation = await protect(t);
  const client = await callback(t);
  const { address, state } = await request(installation, client.uri, { code_challenge: undefined });
  await page.goto(address);
  assert.ok(page.url().startsWith(installation.issuer), 'the error went to the client without a page');
  await page.getByRole('button', { name: /^Tell/ }).click();
  const arrived = await client.arrived;
  assert.equal(arrived.get('error'), 'invalid_request');
  assert.equal(arrived.get('state'), state);
});

test('sign-in: everything by keyboard, and the focus is always seen', async (t) => {
  const page = await person(await launch(t));
  const installation = await protect(t);
  const client = await callback(t);
  await page.goto((await request(installation, client.uri)).address);
  // The first field has the focus: the person types at once.
  assert.equal(await focused(page), 'username');
  await page.keyboard.type(installation.username);
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'password');
  await page.keyboard.type('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  assert.equal(await focused(page), 'password', 'after a wrong password it is the password that is typed again');
  await page.keyboard.type(installation.password);
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'Sign in');
  await page.keyboard.press('Enter');
  await page.locator('[name=decision]').first().waitFor();

  // Somebody who types on, or presses Enter twice, has not decided anything.
  assert.equal(await focused(page), null, 'a button has the focus before the person has moved it');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Space');
  const order = [];
  for (let name; name !== 'Deny' && order.length < 10; order.push(name)) {
    await page.keyboard.press('Tab');
    name = await focused(page);
  }
  assert.deepEqual(order, ['Doorward', 'Sign out', 'Allow', 'Deny']);
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(page), 'Allow');
  await page.keyboard.press('Enter');
  assert.ok((await client.arrived).get('code'));
});

// focused names what has the focus, null for nothing, and fails when that cannot be seen.
async function focused(page) {
  const at = await page.evaluate(() => {
    const e = document.activeElement;
    if (e === document.body) return null;
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(e);
    return { name: e.name && e.name !== 'decision' ? e.name : e.textContent.trim(), outlineStyle, width: parseFloat(outlineWidth), outlineColor };
  });
  if (at === null) return null;
  assert.ok(at.outlineStyle === 'solid' && at.width >= 2 && !at.outlineColor.includes(', 0)'), `the focus on ${at.name} is not seen: ${JSON.stringify(at)}`);
  return at.name;
}

test('sign-in: the link signs in once, by its button', async (t) => {
  const browser = await launch(t);
  const installation = await protect(t);
  for (const address of [installation.sign_in_link, await link(installation)]) {
    const page = await person(browser);
    // A program that looks at links before people do must not use it up.
    await (await fetch(address)).text();
    await page.goto(address);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${installation.issuer}/`);
    assert.match(await page.textContent('h1'), /You are signed in/);
    assert.deepEqual(page.faults, []);
    const client = await callback(t);
    await page.goto((await request(installation, client.uri)).address);
    await page.getByRole('button', { name: 'Allow' }).click();
    assert.ok((await client.arrived).get('code'));

    const late = await person(browser);
    await late.goto(address);
    assert.match(await late.textContent('h1'), /did not work/);
  }
});

test('sign-in: signing out ends the session in this browser', async (t) => {
  const page = await person(await launch(t));
  const installation = await protect(t);
  await page.goto(`${installation.issuer}/sign-in`);
  await signIn(page, installation);
  await page.waitForURL(`${installation.issuer}/`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('link', { name: 'Sign in' }).waitFor();
  await page.goBack();
  await page.reload();
  assert.match(await page.textContent('h1'), /Protected by Doorward/);
});

test('sign-in: no page can be framed by another site', async (t) => {
  const browser = await launch(t);
  const installation = await protect(t);
  const client = await callback(t);
  const page = await person(browser);
  const consent = (await request(installation, client.uri)).address;
  await page.goto(consent);
  await signIn(page, installation);
  await page.locator('[name=decision]').first().waitFor();
  const at = page.url();
  for (const address of [at, `${installation.issuer}/sign-in`, `${installation.issuer}/`, `${installation.issuer}/authorize?client_id=nobody`, installation.sign_in_link]) {
    page.faults.length = 0;
    await page.goto(await site(t, `<!doctype html><title>Other</title><iframe src="${escape(address)}" width="600" height="600"></iframe>`));
    const frame = page.frames()[1];
    await answered(page, frame);
    assert.equal(frame.url(), 'chrome-error://chromewebdata/', `${address} is shown in a frame`);
    assert.equal(await frame.locator('main, form').count(), 0);
    assert.match(page.faults.join(), /frame-ancestors|X-Frame-Options/i);
  }
  // What hinders it is the page's own answer: another page is shown in the same place.
  await page.goto(await site(t, `<!doctype html><title>Other</title><iframe src="${await site(t, '<main>shown</main>')}"></iframe>`));
  assert.equal(await page.frames()[1].textContent('main'), 'shown');
});

// answered waits until a frame has got an answer: the page around it may be whole before.
async function answered(page, frame) {
  for (let tries = 0; tries < 100 && (frame.url() === '' || frame.url() === 'about:blank'); tries++) await page.waitForTimeout(100);
}

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');

// site serves a page of another site: localhost is not 127.0.0.1 to a browser.
async function site(t, html) {
  const server = createServer((req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end(html));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://localhost:${server.address().port}/`;
}

test('sign-in: another site can neither decide for the person nor sign them in', async (t) => {
  const browser = await launch(t);
  const installation = await protect(t);
  const client = await callback(t);
  const page = await person(browser);
  await page.goto((await request(installation, client.uri)).address);
  await signIn(page, installation);
  await page.locator('[name=decision]').first().waitFor();
  const pending = new URL(page.url()).searchParams.get('pending');
  assert.ok(pending);
  for (const [path, fields] of [
    ['/consent', { pending, decision: 'allow' }],
    ['/sign-in', { username: installation.username, password: installation.password }],
    ['/sign-out', {}],
  ]) {
    const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`);
    await page.goto(await site(t, `<!doctype html><title>Other</title><form method="post" action="${installation.issuer}${path}">${inputs.join('')}<button>Win</button></form>`));
    const [answer] = await Promise.all([page.waitForResponse((r) => r.url().startsWith(installation.issuer)), page.click('button')]);
    assert.equal(answer.status(), 403, path);
    assert.match(await page.textContent('h1'), /did not work/);
  }
  // The person is still signed in, and can still decide.
  await page.goto(`${installation.issuer}/consent?pending=${pending}`);
  await page.getByRole('button', { name: 'Allow' }).click();
  assert.ok((await client.arrived).get('code'));
});
