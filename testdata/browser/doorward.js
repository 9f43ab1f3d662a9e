// A running `doorward protect` for browser tests, and a client's callback on loopback.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createHash, randomBytes } from 'node:crypto';

const program = process.env.DOORWARD || join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bin', 'doorward');

// protect starts the built binary before its demo server, or before what `upstream` names, and ends it with the test. It
// gives what the line on standard output says: resource, issuer, username, password, sign_in_link, data.
export async function protect(t, ...upstream) {
  const data = mkdtempSync(join(tmpdir(), 'doorward-'));
  return start(t, data, 'protect', ['--listen', `127.0.0.1:${await freePort()}`, '--data', data, ...upstream]);
}

// configured starts it with a configuration file: $PORT in the text is a free port, $DIR a fresh directory, and other names
// are those of `given`.
export async function configured(t, text, given = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'doorward-'));
  const values = { PORT: await freePort(), DIR: dir, ...given };
  writeFileSync(join(dir, 'doorward.yaml'), text.replace(/\$([A-Z]+)/g, (_, name) => values[name]));
  return start(t, dir, 'serve', ['--config', join(dir, 'doorward.yaml')]);
}

async function start(t, dir, verb, args) {
  const child = spawn(program, [verb, '--output', 'json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (d) => (said += d));
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  });
  const line = once(createInterface(child.stdout), 'line');
  const first = await Promise.race([line, ended.then(() => null)]);
  if (first === null) throw new Error(`doorward ${verb} ended; it wrote:\n${said}`);
  return JSON.parse(first[0]);
}

// callback listens where a client's redirect ends, and gives its address and a promise of the parameters that arrive.
export async function callback(t) {
  let arrive;
  const arrived = new Promise((resolve, reject) => {
    arrive = resolve;
    setTimeout(() => reject(new Error('the browser did not arrive at the client')), 30_000).unref();
  });
  arrived.catch(() => {}); // a test that does not wait for it does not fail for it
  const server = createServer((req, res) => {
    const url = new URL(req.url, 'http://127.0.0.1');
    if (url.pathname !== '/callback') return res.writeHead(404).end();
    res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Arrived</title><h1>Arrived</h1>');
    arrive(url.searchParams);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { uri: `http://127.0.0.1:${server.address().port}/callback`, arrived };
}

// request registers a public client for the callback and gives the address at which a person authorizes it. Parameters are
// added to the request, an undefined one is taken out; metadata is added to the registration.
export async function request(installation, redirect, parameters = {}, metadata = {}) {
  const found = await discover(installation);
  const client = await register(found, redirect, metadata);
  return ask(found, installation, client, redirect, parameters);
}

export const discover = (installation) => getJSON(`${installation.issuer}/.well-known/oauth-authorization-server`);

// register registers a client by RFC 7591 and gives the answer.
export async function register(found, redirect, metadata = {}) {
  const registered = await fetch(found.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Browser test', redirect_uris: [redirect], token_endpoint_auth_method: 'none', ...metadata }),
  });
  if (registered.status !== 201) throw new Error(`registering: ${registered.status} ${await registered.text()}`);
  return registered.json();
}

// ask gives the address at which a person authorizes a registered client.
export function ask(found, installation, { client_id }, redirect, parameters = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const query = {
    response_type: 'code',
    client_id,
    redirect_uri: redirect,
    resource: installation.resource,
    state: randomBytes(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...parameters,
  };
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return { address: `${found.authorization_endpoint}?${new URLSearchParams(given)}`, state: query.state, client_id, verifier };
}

// authority makes a certificate for localhost that is its own authority, with the Go that is there anyway.
export async function authority(t) {
  const dir = mkdtempSync(join(tmpdir(), 'doorward-tls-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const { stdout } = await promisify(execFile)('go', ['env', 'GOROOT']);
  const program = join(stdout.trim(), 'src/crypto/tls/generate_cert.go');
  await promisify(execFile)('go', ['run', program, '-host', 'localhost', '-ecdsa-curve', 'P256', '-ca'], { cwd: dir });
  return { file: join(dir, 'cert.pem'), cert: readFileSync(join(dir, 'cert.pem')), key: readFileSync(join(dir, 'key.pem')) };
}

// publish serves the metadata document of a client whose id is its address. withhold answers 503 in its place.
export async function publish(t, { cert, key }, metadata) {
  let withheld = false;
  const server = createSecureServer({ cert, key }, (req, res) => {
    if (withheld) return res.writeHead(503).end();
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ client_id, token_endpoint_auth_method: 'none', ...metadata }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const client_id = `https://localhost:${server.address().port}/client.json`;
  return { client_id, withhold: (yes) => (withheld = yes) };
}

// link makes another sign-in link, as the person at the machine does.
export async function link(installation) {
  const said = await administer(installation, 'link');
  const address = said.match(/https?:\S+\/link\/\S+/)?.[0];
  if (!address) throw new Error(`doorward admin link: ${said}`);
  return address;
}

// administer runs `doorward admin` and gives what it prints.
export async function administer(installation, ...args) {
  const { stdout } = await promisify(execFile)(program, ['admin', ...args, '--data', installation.data]);
  return stdout;
}

// post sends a form as a program does, and gives the status and the JSON of the answer.
export async function post(installation, path, fields) {
  const answer = await fetch(installation.issuer + path, { method: 'POST', body: new URLSearchParams(fields) });
  return { status: answer.status, ...(await answer.json()) };
}

// claims are what a token says. Nothing is verified: the tests of the program do that.
export const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

async function getJSON(address) {
  const res = await fetch(address);
  if (!res.ok) throw new Error(`GET ${address}: ${res.status}`);
  return res.json();
}

async function freePort() {
  const socket = createSocket().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}
