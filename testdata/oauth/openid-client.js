// npm openid-client: the flows as its users write them.
import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { approve, call, called, claims, end, house, later, machineKey, redirect, step, visit } from './house.js';

const issuer = new URL(house.issuer);
const loopback = { execute: [client.allowInsecureRequests] }; // the installation is on loopback
const known = (id, metadata, auth, algorithm = 'oauth2') => client.discovery(issuer, id, metadata, auth, { algorithm, ...loopback });

const app = await step('discovery and dynamic registration', () => client.dynamicClientRegistration(issuer, {
  client_name: 'openid-client', redirect_uris: [redirect], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'],
}, client.None(), { algorithm: 'oauth2', ...loopback }));

const DPoP = client.getDPoPHandle(app, await client.randomDPoPKeyPair('ES256'));
const post = (config, resource, token, options) => client.fetchProtectedResource(config, token, new URL(resource), 'POST', call.body, call.headers, options);

let tokens = await step('pushed authorization request, code with PKCE', async () => {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const address = await client.buildAuthorizationUrlWithPAR(app, {
    redirect_uri: redirect, state: expectedState, resource: house.bound,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
  }, { DPoP });
  assert.ok(address.searchParams.get('request_uri'));
  assert.equal(address.searchParams.get('redirect_uri'), null);
  return client.authorizationCodeGrant(app, await visit(address), { pkceCodeVerifier, expectedState }, { resource: house.bound }, { DPoP });
});

await step('call with DPoP and nonce', async () => {
  assert.equal(tokens.token_type, 'dpop');
  assert.ok(claims(tokens.access_token).cnf.jkt);
  await called(await post(app, house.bound, tokens.access_token, { DPoP }));
});

const refresh = (token) => client.refreshTokenGrant(app, token, { resource: house.bound }, { DPoP });
const refused = (code) => (e) => e instanceof client.ResponseBodyError && e.error === code;

await step('refresh and its replay', async () => {
  const first = tokens;
  tokens = await refresh(first.refresh_token);
  await called(await post(app, house.bound, tokens.access_token, { DPoP }));
  await later(house.grace_ms);
  await assert.rejects(refresh(first.refresh_token), refused('invalid_grant'));
  await assert.rejects(refresh(tokens.refresh_token), refused('invalid_grant'), 'the grant outlived the replay');
});

const machine = await known('machine', {}, client.PrivateKeyJwt(await machineKey()));
const own = await step('client credentials with a key', async () => {
  const got = await client.clientCredentialsGrant(machine, { resource: house.plain });
  await called(await post(machine, house.plain, got.access_token));
  await assert.rejects(client.clientCredentialsGrant(machine, { resource: `${house.issuer}/elsewhere` }), refused('invalid_target'));
  return got;
});

await step('client credentials with a key, bound', async () => {
  const DPoP = client.getDPoPHandle(machine, await client.randomDPoPKeyPair('ES256'));
  const got = await client.clientCredentialsGrant(machine, { resource: house.bound }, { DPoP });
  await called(await post(machine, house.bound, got.access_token, { DPoP }));
});

await step('device', async () => {
  const tv = await known('tv', {}, client.None());
  const device = await client.initiateDeviceAuthorization(tv, { resource: house.plain });
  await approve(device.verification_uri_complete);
  const got = await client.pollDeviceAuthorizationGrant(tv, device);
  await called(await post(tv, house.plain, got.access_token));
});

const server = await known('plain-server', {}, client.ClientSecretBasic(house.secret));
await step('introspection', async () => {
  const said = await client.tokenIntrospection(server, own.access_token);
  assert.equal(said.active, true);
  assert.equal(said.client_id, 'machine');
});

await step('revocation', async () => {
  await client.tokenRevocation(machine, own.access_token);
  assert.equal((await client.tokenIntrospection(server, own.access_token)).active, false);
});

await step('ID token, UserInfo and logout', async () => {
  const party = await known('relying', { id_token_signed_response_alg: 'ES256' }, client.ClientSecretPost(house.secret), 'oidc');
  client.enableNonRepudiationChecks(party); // the ID token's signature is verified too
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const address = client.buildAuthorizationUrl(party, {
    redirect_uri: redirect, scope: 'openid profile', state: expectedState, nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
  });
  const got = await client.authorizationCodeGrant(party, await visit(address), { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true });
  const info = await client.fetchUserInfo(party, got.access_token, got.claims().sub);
  assert.equal(info.preferred_username, house.username);
  const out = client.buildEndSessionUrl(party, { id_token_hint: got.id_token, post_logout_redirect_uri: house.bye, state: 'bye' });
  assert.equal(`${(await visit(out)).href}`, `${house.bye}?state=bye`);
});

end();
