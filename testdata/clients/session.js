// What every client does here: discover, register, authorize, list tools, call one, and go on after its token has ended.
import assert from 'node:assert/strict';
import { Keeper } from './provider.js';

// play runs it. `sdk` gives connect(keeper) → client, finish(keeper, callback address), and Unauthorized, the class of
// its error; `visit` is the person: it opens an address and gives the one that the browser ended at.
export async function play(sdk, { redirect, tool, args, visit }) {
  const keeper = new Keeper(redirect, sdk.name);
  await assert.rejects(sdk.connect(keeper), sdk.Unauthorized);
  const back = new URL(await visit(keeper.address));
  assert.equal(back.searchParams.get('state'), keeper.kept.state);
  await sdk.finish(keeper, back);

  const client = await sdk.connect(keeper);
  const { tools } = await client.listTools();
  const first = await client.callTool({ name: tool, arguments: args });
  assert.ok(!first.isError, JSON.stringify(first));

  // A token that is no longer good is refused, and the client gets another one without asking anybody.
  const before = keeper.kept.tokens;
  assert.ok(before.refresh_token, 'no refresh token was issued');
  keeper.kept.tokens = { ...before, access_token: `${before.access_token}x` };
  const second = await client.callTool({ name: tool, arguments: args });
  assert.deepEqual(second.content, first.content);
  assert.notEqual(keeper.kept.tokens.access_token, before.access_token, 'the token was not refreshed');
  assert.notEqual(keeper.kept.tokens.refresh_token, before.refresh_token, 'the refresh token was not rotated');
  assert.equal(keeper.visits, 1, 'the person was asked again');
  const revision = sdk.revision(client);
  await client.close();
  return { tools: tools.map((t) => t.name), content: first.content, revision, client_id: keeper.kept.client.client_id };
}
