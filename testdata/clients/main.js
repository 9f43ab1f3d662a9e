// Runs a client for a test in another language: node main.js CLIENT RESOURCE TOOL ARGUMENTS
// CLIENT is sdk1, sdk2-legacy or sdk2-auto. It prints one JSON object a line: first {"open": ADDRESS}, and then wants on
// standard input the address that the browser ended at; at the end {"done": what the session found}.
import { createInterface } from 'node:readline';
import { play } from './session.js';
import { sdk1 } from './sdk1.js';
import { sdk2 } from './sdk2.js';

const [name, resource, tool, args] = process.argv.slice(2);
const clients = { sdk1: () => sdk1(resource), 'sdk2-legacy': () => sdk2(resource, 'legacy'), 'sdk2-auto': () => sdk2(resource, 'auto') };
if (!clients[name]) throw new Error(`there is no client ${name}`);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const input = createInterface({ input: process.stdin });
const done = await play(clients[name](), {
  redirect: 'http://127.0.0.1:1/callback', // never called: the address comes on standard input
  tool,
  args: JSON.parse(args),
  visit: (address) => {
    say({ open: address });
    return new Promise((resolve) => input.once('line', resolve));
  },
});
input.close();
say({ done });
