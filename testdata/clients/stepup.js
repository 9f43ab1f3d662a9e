// Runs a client that a rule asks for more: node stepup.js CLIENT RESOURCE CLIENT_ID TOOL ALLOWED REFUSED
// CLIENT is as for main.js, CLIENT_ID a client that the operator listed. It calls the tool with the arguments REFUSED, which no
// token mends, and with ALLOWED, for which it is challenged and steps up. What it prints and wants is that of main.js.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { Keeper } from './provider.js';
import { sdk1 } from './sdk1.js';
import { sdk2 } from './sdk2.js';

const [name, resource, clientID, tool, allowed, refused] = process.argv.slice(2);
const clients = { sdk1: () => sdk1(resource), 'sdk2-legacy': () => sdk2(resource, 'legacy'), 'sdk2-auto': () => sdk2(resource, 'auto') };
if (!clients[name]) throw new Error(`there is no client ${name}`);
const sdk = clients[name]();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const input = createInterface({ input: process.stdin });

const keeper = new Keeper('http://127.0.0.1:1/callback', sdk.name); // never called: the address comes on standard input
keeper.saveClientInformation({ client_id: clientID });

// signIn is the person: it opens what the client wants opened, and comes back.
async function signIn() {
  say({ open: keeper.address });
  const back = new URL(await new Promise((resolve) => input.once('line', resolve)));
  assert.equal(back.searchParams.get('state'), keeper.kept.state);
  await sdk.finish(keeper, back);
}

// call gives the result of a call, or what was said instead.
async function call(client, args) {
  try {
    return await client.callTool({ name: tool, arguments: JSON.parse(args) });
  } catch (error) {
    return { error };
  }
}

await assert.rejects(sdk.connect(keeper), sdk.Unauthorized);
await signIn();
let client = await sdk.connect(keeper);
const { tools } = await client.listTools();

const denied = await call(client, refused);
assert.ok(denied.error && !(denied.error instanceof sdk.Unauthorized), 'a call that no token mends was not refused as such');
assert.match(denied.error.message, /nothing permits this|policy\.no_permit/);
assert.equal(keeper.visits, 1, 'the person was asked for nothing');

const content = [];
let result = await call(client, allowed);
if (/after trying upscoping/.test(result.error?.message)) {
  // 1.x refreshes where it has a refresh token, which gives no more scope, and gives up. Its host has it forget that token.
  delete keeper.kept.tokens.refresh_token;
  await client.close();
  client = await sdk.connect(keeper);
  result = await call(client, allowed);
}
if (result.error instanceof sdk.Unauthorized) {
  assert.equal(keeper.visits, 2, 'the person was not asked once');
  await signIn();
  result = await call(client, allowed);
}
if (result.error) content.push({ text: result.error.message });
else content.push(...result.content);
const revision = sdk.revision(client);
await client.close();
input.close();
say({ done: { tools: tools.map((t) => t.name), content, revision, visits: keeper.visits, scope: keeper.kept.tokens.scope, client_id: clientID } });
