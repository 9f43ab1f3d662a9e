// An installation with two servers, a device, and an OpenID client, for what one server and one client cannot show.
import { ask, configured, discover, post } from './doorward.js';

const file = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
data: $DIR/data
policy: scopes-only
registration:
  mode: $MODE
servers:
  customers:
    path: /customers
    name: Customers
    demo: true
    device_authorization: true
    scopes:
      - name: customers:read
        sentence: Read customers and their history
      - name: customers:write
        sentence: Change customers
    initial: [customers:read]
  files:
    path: /files
    name: Files
    demo: true
    scopes:
      - name: files:read
        sentence: Read and search your files
    initial: [files:read]
clients:
  listed:
    - client_id: desktop
      client_name: Harbour Desktop
      redirect_uris: [http://127.0.0.1/callback]
      post_logout_redirect_uris: [$BYE]
    - client_id: tv
      client_name: Living room screen
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
`;

// office starts it. `given` may name mode (of registration), bye (where a sign-out of desktop may lead), and authority (the
// file of one under which metadata documents lie on loopback).
export async function office(t, { mode = 'open', bye = 'http://127.0.0.1:9/bye', authority } = {}) {
  const text = authority ? `${file}insecure_loopback_documents: ${authority}\n` : file;
  const installation = await configured(t, text, { MODE: mode, BYE: bye });
  return { ...installation, customers: `${installation.issuer}/customers`, files: `${installation.issuer}/files` };
}

// desktop is the address at which a person authorizes the listed client, for the customers unless parameters say otherwise.
export async function desktop(installation, redirect, parameters = {}) {
  return ask(await discover(installation), installation, { client_id: 'desktop' }, redirect, { resource: installation.customers, ...parameters });
}

// begin begins a device's request, and gives what the device is told.
export const begin = (installation) => post(installation, '/device_authorization', { client_id: 'tv' });

// poll asks for the device's token.
export function poll(installation, { device_code }) {
  return post(installation, '/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: 'tv', device_code });
}

// task narrows an authorization request to one piece of work.
export const task = (expires) => ({
  authorization_details: JSON.stringify([
    { type: 'doorward_task', id: 'invoice-2214', words: 'Send invoice 2214 to Harbour Ltd and note it in the history', tools: ['add', 'whoami'], expires },
  ]),
});
