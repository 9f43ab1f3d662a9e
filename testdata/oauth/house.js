// What the programs of this directory share: the installation that they were given, the person who sits at its pages, and
// the steps that they took. A program is run as node PROGRAM SETTINGS, prints one JSON object a line, and is answered on
// standard input: {"open": ADDRESS} by the address at which the browser ended, {"device": ADDRESS} when its page is done.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';

export const house = JSON.parse(process.argv[2]);
export const redirect = 'http://127.0.0.1:1/callback'; // never called: the address comes on standard input

const input = createInterface({ input: process.stdin });
const ask = (value) => {
  const answered = new Promise((resolve) => input.once('line', resolve));
  process.stdout.write(`${JSON.stringify(value)}\n`);
  return answered;
};

// visit has the person sign in and consent, and gives the address of the callback.
export const visit = async (address) => new URL(await ask({ open: address.href }));

// approve has the person look at a device's code and consent.
export const approve = (address) => ask({ device: address });

const steps = [];

// step runs one step and notes its name; what goes wrong in it is told with the name.
export async function step(name, run) {
  try {
    const result = await run();
    steps.push(name);
    return result;
  } catch (e) {
    e.message = `${name}: ${e.message}${e.cause ? ` (${JSON.stringify(e.cause)})` : ''}`;
    throw e;
  }
}

// end says which steps were taken.
export function end() {
  process.stdout.write(`${JSON.stringify({ done: steps })}\n`);
  input.close();
}

export const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The call of a tool in revision 2026-07-28, which needs no session.
export const call = {
  headers: new Headers({
    'content-type': 'application/json', accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'whoami',
  }),
  body: JSON.stringify({
    jsonrpc: '2.0', id: 1, method: 'tools/call',
    params: {
      name: 'whoami', arguments: {},
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {},
        'io.modelcontextprotocol/clientInfo': { name: 'interop', version: '1' },
      },
    },
  }),
};

// called holds that a call went through to the server.
export async function called(response) {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.match(text, /"result"/);
}

// machineKey is the private key of the client `machine`, as both libraries take it.
export async function machineKey() {
  const key = await crypto.subtle.importKey('jwk', house.machine_key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  return { key, kid: house.machine_key.kid };
}

// claims are those of a JWT that somebody else verifies.
export const claims = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url'));
