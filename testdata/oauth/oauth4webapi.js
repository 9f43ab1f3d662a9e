// npm oauth4webapi: each request and each answer by itself, as the RFC of each has it.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { approve, call, called, claims, end, house, later, machineKey, redirect, step, visit } from './house.js';

const loopback = { [oauth.allowInsecureRequests]: true }; // the installation is on loopback
const issuer = new URL(house.issuer);

const as = await step('discovery', async () =>
  oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback })));

const protectedBy = async (resource) => {
  const address = new URL(resource);
  return oauth.processResourceDiscoveryResponse(address, await oauth.resourceDiscoveryRequest(address, loopback));
};
await step('protected resource metadata', async () => {
  const found = await protectedBy(house.bound);
  assert.deepEqual(found.authorization_servers, [house.issuer]);
  assert.equal(found.dpop_bound_access_tokens_required, true);
});

const client = await step('dynamic registration', async () => {
  const asked = { client_name: 'oauth4webapi', redirect_uris: [redirect], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] };
  return oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(as, asked, loopback));
});

const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
let nonces = 0;

// again sends once more what was refused for want of a nonce; the library keeps the nonce.
async function again(send) {
  try {
    return await send();
  } catch (e) {
    if (!oauth.isDPoPNonceError(e)) throw e;
    nonces++;
    return send();
  }
}

const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const pushed = await step('pushed authorization request', async () => {
  const q = {
    response_type: 'code', redirect_uri: redirect, state, resource: house.bound,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  };
  return again(async () => oauth.processPushedAuthorizationResponse(as, client,
    await oauth.pushedAuthorizationRequest(as, client, oauth.None(), q, { DPoP, ...loopback })));
});

let tokens = await step('code with PKCE', async () => {
  const address = new URL(as.authorization_endpoint);
  address.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
  const answer = oauth.validateAuthResponse(as, client, await visit(address), state);
  return again(async () => oauth.processAuthorizationCodeResponse(as, client,
    await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), answer, redirect, verifier, { DPoP, additionalParameters: { resource: house.bound }, ...loopback })));
});

const ask = (token) => again(() => oauth.protectedResourceRequest(token, 'POST', new URL(house.bound), call.headers, call.body, { DPoP, ...loopback }));
await step('call with DPoP and nonce', async () => {
  assert.equal(tokens.token_type, 'dpop');
  await called(await ask(tokens.access_token));
  assert.ok(nonces > 0, 'no nonce was ever asked for');
});
await step('a bound token without its proof', async () => {
  await assert.rejects(oauth.protectedResourceRequest(tokens.access_token, 'POST', new URL(house.bound), call.headers, call.body, loopback),
    (e) => e instanceof oauth.WWWAuthenticateChallengeError && e.status === 401);
});

const refresh = async (token) => again(async () => oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, { DPoP, additionalParameters: { resource: house.bound }, ...loopback })));
const refused = (code) => (e) => e instanceof oauth.ResponseBodyError && e.error === code;

await step('refresh and its replay', async () => {
  const first = tokens;
  tokens = await refresh(first.refresh_token);
  assert.notEqual(tokens.refresh_token, first.refresh_token);
  await called(await ask(tokens.access_token));
  await later(house.grace_ms);
  await assert.rejects(refresh(first.refresh_token), refused('invalid_grant'));
  await assert.rejects(refresh(tokens.refresh_token), refused('invalid_grant'), 'the grant outlived the replay');
  await assert.rejects(ask(tokens.access_token), oauth.WWWAuthenticateChallengeError, 'its access token did');
});

const machine = { client_id: 'machine' };
const signed = oauth.PrivateKeyJwt(await machineKey());
const own = await step('client credentials with a key', async () => {
  const send = async (auth) => oauth.processClientCredentialsResponse(as, machine,
    await oauth.clientCredentialsGrantRequest(as, machine, auth, { resource: house.plain }, loopback));
  const got = await send(signed);
  assert.equal(claims(got.access_token).aud, house.plain);
  await called(await oauth.protectedResourceRequest(got.access_token, 'POST', new URL(house.plain), call.headers, call.body, loopback));
  await assert.rejects(send(oauth.ClientSecretPost('no-secret-of-its')), refused('invalid_client'));
  return got;
});

await step('device', async () => {
  const tv = { client_id: 'tv' };
  const device = await oauth.processDeviceAuthorizationResponse(as, tv,
    await oauth.deviceAuthorizationRequest(as, tv, oauth.None(), { resource: house.plain }, loopback));
  const poll = async () => oauth.processDeviceCodeResponse(as, tv, await oauth.deviceCodeGrantRequest(as, tv, oauth.None(), device.device_code, loopback));
  await assert.rejects(poll(), refused('authorization_pending'));
  await approve(device.verification_uri_complete);
  await later(1000 * device.interval);
  const got = await poll();
  await called(await oauth.protectedResourceRequest(got.access_token, 'POST', new URL(house.plain), call.headers, call.body, loopback));
});

const server = { client_id: 'plain-server' };
const secret = oauth.ClientSecretBasic(house.secret);
const inspect = async (token) => oauth.processIntrospectionResponse(as, server, await oauth.introspectionRequest(as, server, secret, token, loopback));
await step('introspection', async () => {
  const said = await inspect(own.access_token);
  assert.equal(said.active, true);
  assert.equal(said.client_id, 'machine');
  assert.equal(said.aud, house.plain);
  assert.deepEqual(await inspect('not-a-token'), { active: false });
});

await step('revocation', async () => {
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, machine, oauth.PrivateKeyJwt(await machineKey()), own.access_token, loopback));
  assert.equal((await inspect(own.access_token)).active, false);
  await assert.rejects(oauth.protectedResourceRequest(own.access_token, 'POST', new URL(house.plain), call.headers, call.body, loopback), oauth.WWWAuthenticateChallengeError);
});

await step('ID token and UserInfo', async () => {
  const op = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...loopback }));
  const party = { client_id: 'relying', id_token_signed_response_alg: 'ES256' };
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const address = new URL(op.authorization_endpoint);
  address.search = new URLSearchParams({
    client_id: party.client_id, response_type: 'code', redirect_uri: redirect, scope: 'openid profile', state, nonce, max_age: '600',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  const answer = oauth.validateAuthResponse(op, party, await visit(address), state);
  const auth = oauth.ClientSecretPost(house.secret);
  const response = await oauth.authorizationCodeGrantRequest(op, party, auth, answer, redirect, verifier, loopback);
  const got = await oauth.processAuthorizationCodeResponse(op, party, response, { expectedNonce: nonce, maxAge: 600, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(op, response, loopback);
  const { sub } = oauth.getValidatedIdTokenClaims(got);
  const info = await oauth.processUserInfoResponse(op, party, sub, await oauth.userInfoRequest(op, party, got.access_token, loopback));
  assert.equal(info.preferred_username, house.username);
});

end();
