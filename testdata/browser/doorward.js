// A running `doorward protect` for browser tests, and a client's callback on loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createHash, randomBytes } from 'node:crypto';

const program = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bin', 'doorward');

// protect starts the built binary before its demo server, or before what `upstream` names, and ends it with the test. It
// gives what the line on standard output says: resource, issuer, username, password, sign_in_link, data.
export async function protect(t, ...upstream) {
  const data = mkdtempSync(join(tmpdir(), 'doorward-'));
  const listen = `127.0.0.1:${await freePort()}`;
  const child = spawn(program, ['protect', '--listen', listen, '--data', data, '--output', 'json', ...upstream], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (d) => (said += d));
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(data, { recursive: true, force: true });
  });
  const line = once(createInterface(child.stdout), 'line');
  const first = await Promise.race([line, ended.then(() => null)]);
  if (first === null) throw new Error(`doorward protect ended; it wrote:\n${said}`);
  return JSON.parse(first[0]);
}

// callback listens where a client's redirect ends, and gives its address and a promise of the parameters that arrive.
export async function callback(t) {
  let arrive;
  const arrived = new Promise((resolve) => (arrive = resolve));
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

// request registers a public client for the callback and gives the address at which a person authorizes it.
export async function request(installation, redirect, parameters = {}) {
  const metadata = await getJSON(`${installation.issuer}/.well-known/oauth-authorization-server`);
  const registered = await fetch(metadata.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: 'Browser test', redirect_uris: [redirect], token_endpoint_auth_method: 'none' }),
  });
  if (registered.status !== 201) throw new Error(`registering: ${registered.status} ${await registered.text()}`);
  const { client_id } = await registered.json();
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    response_type: 'code',
    client_id,
    redirect_uri: redirect,
    resource: installation.resource,
    state: randomBytes(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...parameters,
  });
  return { address: `${metadata.authorization_endpoint}?${query}`, state: query.get('state'), client_id, verifier };
}

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
