// What people do in the browser beside the plain sign-in: connect a device, pick a server, allow one task, sign out at a
// program's request, and wait for an administrator.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { launch, looks, person } from './browser.js';
import { administer, ask, authority, callback, claims, discover, post, publish, register } from './doorward.js';
import { begin, desktop, office, poll, task } from './office.js';

async function signIn(page, installation) {
  await page.fill('[name=username]', installation.username);
  await page.fill('[name=password]', installation.password);
  await page.click('main button');
}

const press = (page, name) => page.getByRole('button', { name, exact: true }).click();

function redeem(installation, { client_id, verifier }, redirect, arrived, more = {}) {
  return post(installation, '/token', { grant_type: 'authorization_code', client_id, code: arrived.get('code'), redirect_uri: redirect, code_verifier: verifier, ...more });
}

test('device: the person types the code, compares it and allows, and the device gets its token', async (t) => {
  const browser = await launch(t);
  const installation = await office(t);
  for (const javaScriptEnabled of [true, false]) {
    const device = await begin(installation);
    const page = await person(browser, looks[0], { javaScriptEnabled });
    await page.goto(device.verification_uri);
    // As people type it: small letters, a space for the hyphen.
    await page.fill('[name=user_code]', device.user_code.toLowerCase().replace('-', ' '));
    await press(page, 'Continue');
    assert.match(await page.innerText('main'), /to continue to Living room screen/);
    await signIn(page, installation);
    const said = await page.innerText('main');
    for (const fact of ['Living room screen', 'Customers', device.user_code, 'deny it', '127.0.0.1', 'Read customers and their history', installation.username]) {
      assert.ok(said.includes(fact), `${fact} is not on the page:\n${said}`);
    }
    await press(page, 'Allow');
    assert.match(await page.textContent('h1'), /The device is connected/);
    const got = await poll(installation, device);
    assert.equal(got.status, 200, JSON.stringify(got));
    assert.equal(claims(got.access_token).aud, installation.customers);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
});

test('device: a link fills the code in and sends nothing, and Deny denies', async (t) => {
  const page = await person(await launch(t));
  const installation = await office(t);
  const device = await begin(installation);
  await page.goto(device.verification_uri_complete);
  assert.equal(await page.inputValue('[name=user_code]'), device.user_code);
  assert.match(await page.innerText('main'), /If somebody sent you the code or a link, close this page/);
  await press(page, 'Continue');
  await signIn(page, installation);
  await press(page, 'Deny');
  assert.match(await page.textContent('h1'), /The device gets no access/);
  const got = await poll(installation, device);
  assert.equal(got.error, 'access_denied');
  assert.deepEqual(page.faults, []);
});

test('device: everything by keyboard', async (t) => {
  const page = await person(await launch(t));
  const installation = await office(t);
  const device = await begin(installation);
  await page.goto(device.verification_uri);
  await page.locator('[name=user_code]:focus').waitFor();
  await page.keyboard.type(device.user_code);
  await page.keyboard.press('Enter');
  await page.locator('[name=username]:focus').waitFor();
  await page.keyboard.type(installation.username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(installation.password);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Deny' }).waitFor();
  // Somebody who types on has not decided anything.
  await page.keyboard.press('Enter');
  for (let n = 0; n < 10 && (await page.evaluate(() => document.activeElement.textContent)) !== 'Allow'; n++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/device/done');
  assert.equal((await poll(installation, device)).status, 200);
});

test('device: a code that no device shows is typed again on the same page', async (t) => {
  const page = await person(await launch(t));
  const installation = await office(t);
  await page.goto(`${installation.issuer}/device`);
  await page.fill('[name=user_code]', 'BBBB-BBBB');
  await press(page, 'Continue');
  assert.match(await page.getByRole('alert').textContent(), /no device waits with that code/);
  assert.equal(await page.inputValue('[name=user_code]'), 'BBBB-BBBB');
  await page.locator('[name=user_code]:focus').waitFor();
  await page.keyboard.press('Control+A');
  await page.keyboard.type((await begin(installation)).user_code);
  await page.keyboard.press('Enter');
  await page.locator('[name=password]').waitFor();
});

test('choice: a client that names no server gets a token for the one that the person picks', async (t) => {
  const browser = await launch(t);
  const installation = await office(t);
  for (const [name, path] of [['Files', '/files'], ['Customers', '/customers']]) {
    const page = await person(browser);
    const client = await callback(t);
    const asked = await desktop(installation, client.uri, { resource: undefined });
    await page.goto(asked.address);
    await signIn(page, installation);
    assert.equal(await page.locator('[name=resource]:checked').count(), 0, 'a server is picked before the person did');
    // Nothing is allowed before one is picked: the browser says so, and the page stays.
    await press(page, 'Allow');
    assert.equal(await page.evaluate(() => document.querySelectorAll(':invalid[name=resource]').length), 2);
    await page.locator('.panel', { hasText: path }).click(); // all of it is the label
    assert.ok(await page.getByRole('radio', { name }).isChecked());
    await press(page, 'Allow');
    const got = await redeem(installation, asked, client.uri, await client.arrived);
    assert.equal(claims(got.access_token).aud, installation.issuer + path, JSON.stringify(got));
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
});

test('choice: Deny needs no pick, and keys pick as well', async (t) => {
  const browser = await launch(t);
  const installation = await office(t);
  const page = await person(browser);
  const denied = await callback(t);
  await page.goto((await desktop(installation, denied.uri, { resource: undefined })).address);
  await signIn(page, installation);
  await press(page, 'Deny');
  assert.equal((await denied.arrived).get('error'), 'access_denied');

  const client = await callback(t);
  const asked = await desktop(installation, client.uri, { resource: undefined });
  await page.goto(asked.address);
  for (const key of ['Tab', 'Tab', 'Tab', 'Space', 'ArrowDown']) await page.keyboard.press(key);
  const { width, style } = await page.evaluate(() => {
    const { outlineWidth, outlineStyle } = getComputedStyle(document.activeElement);
    return { width: parseFloat(outlineWidth), style: outlineStyle };
  });
  assert.ok(style === 'solid' && width >= 2, 'the focus on a choice is not seen');
  assert.equal(await page.locator('[name=resource]:checked').inputValue(), installation.files);
  for (const key of ['Tab', 'Enter']) await page.keyboard.press(key);
  const got = await redeem(installation, asked, client.uri, await client.arrived);
  assert.equal(claims(got.access_token).aud, installation.files);
});

test('task: the page says what for, with which tools and how long, and the token says the same', async (t) => {
  const page = await person(await launch(t));
  const installation = await office(t);
  const expires = Math.floor(Date.now() / 1000) + 3600;
  for (const first of [true, false]) {
    const client = await callback(t);
    const asked = await desktop(installation, client.uri, task(expires));
    await page.goto(asked.address);
    if (first) await signIn(page, installation);
    const said = await page.innerText('main');
    for (const fact of ['For one task only', 'Send invoice 2214 to Harbour Ltd', 'add', 'whoami', 'invoice-2214', String(new Date().getUTCFullYear())]) {
      assert.ok(said.includes(fact), `${fact} is not on the page:\n${said}`);
    }
    await press(page, 'Allow');
    const got = await redeem(installation, asked, client.uri, await client.arrived);
    assert.deepEqual(claims(got.access_token).authorization_details, JSON.parse(task(expires).authorization_details));
    assert.deepEqual(page.faults, []);
  }
});

test('known: the page says whose host the code goes to, whatever the client calls itself', async (t) => {
  const page = await person(await launch(t));
  const installation = await office(t);
  const redirect = 'https://claude.ai/api/mcp/auth_callback';
  const found = await discover(installation);
  await page.goto(ask(found, installation, await register(found, redirect, { client_name: 'VS Code' }), redirect, { resource: installation.files }).address);
  await signIn(page, installation);
  assert.match(await page.innerText('dl'), /This address belongs to Claude\./);
  const elsewhere = 'https://claude.ai.example/callback';
  await page.goto(ask(found, installation, await register(found, elsewhere, { client_name: 'Claude' }), elsewhere, { resource: installation.files }).address);
  assert.doesNotMatch(await page.innerText('dl'), /belongs to/);
});

test('sign-in: prompt=login asks a person who is signed in again, with the name filled in', async (t) => {
  const page = await person(await launch(t));
  const installation = await office(t);
  await page.goto(`${installation.issuer}/sign-in`);
  await signIn(page, installation);
  const client = await callback(t);
  const asked = await desktop(installation, client.uri, { prompt: 'login', login_hint: installation.username, scope: 'openid customers:read' });
  await page.goto(asked.address);
  assert.equal(await page.inputValue('[name=username]'), installation.username);
  await page.locator('[name=password]:focus').waitFor();
  await page.keyboard.type(installation.password);
  await page.keyboard.press('Enter');
  await press(page, 'Allow');
  const got = await redeem(installation, asked, client.uri, await client.arrived);
  const said = claims(got.id_token);
  assert.ok(said.iat - said.auth_time < 60, JSON.stringify(said));
  assert.deepEqual(page.faults, []);
});

// bye listens where a sign-out ends.
async function bye(t) {
  const server = createServer((req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Bye</title><h1>Bye</h1>'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}/bye`;
}

test('sign-out: an ID token of the person signs out at once and leads back to the program', async (t) => {
  const page = await person(await launch(t));
  const to = await bye(t);
  const installation = await office(t, { bye: to });
  const client = await callback(t);
  const asked = await desktop(installation, client.uri, { scope: 'openid customers:read' });
  await page.goto(asked.address);
  await signIn(page, installation);
  await press(page, 'Allow');
  const { id_token } = await redeem(installation, asked, client.uri, await client.arrived);
  const { end_session_endpoint } = await (await fetch(`${installation.issuer}/.well-known/openid-configuration`)).json();
  await page.goto(`${end_session_endpoint}?${new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri: to, state: 's1' })}`);
  assert.equal(page.url(), `${to}?state=s1`);
  await page.goto(installation.issuer);
  assert.match(await page.textContent('h1'), /Protected by Doorward/);
  assert.deepEqual(page.faults, []);
});

test('sign-out: without an ID token the person is asked, with JavaScript and without', async (t) => {
  const browser = await launch(t);
  const to = await bye(t);
  const installation = await office(t, { bye: to });
  for (const javaScriptEnabled of [true, false]) {
    const page = await person(browser, looks[2], { javaScriptEnabled });
    await page.goto(`${installation.issuer}/sign-in`);
    await signIn(page, installation);
    const address = `${installation.issuer}/logout?${new URLSearchParams({ client_id: 'desktop', post_logout_redirect_uri: to, state: 's2' })}`;
    await page.goto(address);
    assert.match(await page.innerText('main'), /Harbour Desktop asks to sign you out/);
    await page.getByRole('link', { name: 'Stay signed in' }).click();
    assert.match(await page.textContent('h1'), /You are signed in/);
    await page.goto(address);
    await page.locator('main').getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${to}?state=s2`);
    await page.goto(installation.issuer);
    assert.match(await page.textContent('h1'), /Protected by Doorward/);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
});

test('sign-out: a client that registered itself gets the person only by a button that names where it leads', async (t) => {
  const page = await person(await launch(t));
  const to = await bye(t);
  const installation = await office(t);
  const stranger = await register(await discover(installation), 'https://notes.example/callback', { post_logout_redirect_uris: [to] });
  // Nobody is signed in: there is nothing to ask, and still the person is not sent there unseen.
  await page.goto(`${installation.issuer}/logout?${new URLSearchParams({ client_id: stranger.client_id, post_logout_redirect_uri: to, state: 's3' })}`);
  assert.match(await page.textContent('h1'), /You are signed out/);
  assert.ok(page.url().startsWith(installation.issuer));
  await press(page, `Go on to ${new URL(to).host}`);
  await page.waitForURL(`${to}?state=s3`);
  assert.deepEqual(page.faults, []);
});

test('review: the person sees that a new client waits, and can go on when it is admitted', async (t) => {
  const page = await person(await launch(t));
  const installation = await office(t, { mode: 'review' });
  const client = await callback(t);
  const found = await discover(installation);
  const registered = await register(found, client.uri, { client_name: 'New here' });
  const asked = ask(found, installation, registered, client.uri, { resource: installation.files });
  await page.goto(asked.address);
  assert.match(await page.innerText('main'), /waits for an administrator/);
  assert.equal(await page.locator('main button').count(), 0, 'there is nothing to press');
  await administer(installation, 'clients', 'approve', registered.client_id);
  await page.goto(asked.address);
  await signIn(page, installation);
  await press(page, 'Allow');
  assert.ok((await client.arrived).get('code'));
});

test('document: one that cannot be read for now is said on a page, and read when it can be', async (t) => {
  const page = await person(await launch(t));
  const trusted = await authority(t);
  const installation = await office(t, { authority: trusted.file });
  const redirect = await callback(t);
  const client = await publish(t, trusted, { client_name: 'Published notes', redirect_uris: [redirect.uri] });
  client.withhold(true);
  await page.goto(ask(await discover(installation), installation, client, redirect.uri, { resource: installation.files }).address);
  await signIn(page, installation);
  assert.match(await page.innerText('main'), /cannot be read at the moment[^]*temporarily_unavailable/);
  client.withhold(false);
  await page.getByRole('link', { name: 'Try again' }).click();
  await press(page, 'Allow');
  assert.ok((await redirect.arrived).get('code'));
  assert.deepEqual(page.faults, []);
});
