package config_test

import (
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
)

// Each row is a file that contradicts itself, asks for something weak, or has a secret in the clear, and what is said.
// GEN-TLS, RS-PRM-HTTPS: what goes over a network is https.
// what is added to base takes the place of the same keys there.
func TestContradictions(t *testing.T) {
	const client = "clients:\n  listed:\n    - client_id: a\n"
	const issuers = "assertion_issuers:\n  - {issuer: 'https://cluster.example.com', kind: workload}\n  - {issuer: 'https://login.example.com', kind: identity}\n"
	for _, c := range []struct{ name, file, says string }{
		// Where it is.
		{"no public address", without("public_url"), "public_url: it is missing"},
		{"http beyond loopback", with("public_url: http://mcp.example.com\n"), "public_url: http is for loopback only"},
		{"a path", with("public_url: https://mcp.example.com/a\n"), "public_url: it is an origin"},
		{"a slash", with("public_url: https://mcp.example.com/\n"), "public_url: it is an origin"},
		{"capital letters", with("public_url: https://MCP.example.com\n"), "public_url: it must be written as https://mcp.example.com"},
		{"the default port", with("public_url: https://mcp.example.com:443\n"), "public_url: it must be written as https://mcp.example.com"},
		{"a user", with("public_url: https://me@mcp.example.com\n"), "public_url: it is not an https origin"},
		{"another port", with("public_url: http://127.0.0.1:9090\n"), "listen: it has port 8080, but public_url has port 9090"},
		{"http and tls", with("public_url: http://127.0.0.1:8080\ntls: {certificate: a, key: b}\n"), "public_url: it is http, but `tls` is given"},
		{"half a certificate", with("tls: {certificate: a}\n"), "tls.key: it is missing"},
		{"half a key", with("tls: {key: a}\n"), "tls.certificate: it is missing"},
		{"a certificate from two places", with("tls: {certificate: a, key: b, acme: {terms_accepted: true}}\n"), "tls.acme: a certificate is given too"},
		{"terms that nobody accepted", with("tls: {acme: {email: a@example.com}}\n"), "tls.acme.terms_accepted: it is missing"},
		{"an authority over http", with("tls: {acme: {terms_accepted: true, directory: 'http://ca.example.com/'}}\n"), "tls.acme.directory: it is http"},
		{"a certificate for a port", with("public_url: https://mcp.example.com:8443\ntls: {acme: {terms_accepted: true}}\n"), "tls.acme: public_url must be a host name without a port"},
		{"plain HTTP for everybody", with("listen: 0.0.0.0:80\n"), "listen: 0.0.0.0:80 can be reached from other machines"},
		{"plain HTTP for everybody, by name", with("listen: mcp.example.com:80\n"), "can be reached from other machines"},
		{"spans for nobody", with("tracing: {percent: 10}\n"), "tracing.endpoint: it is missing"},
		{"spans for no address", with("tracing: {endpoint: 'otel:4317'}\n"), "tracing.endpoint: it is not an http or https address"},
		{"a collector's key in the clear", with("tracing: {endpoint: 'https://otel.example.com', headers: {Authorization: Bearer abc}}\n"), "tracing.headers.Authorization: a secret stands here in the clear"},
		{"more than all", with("tracing: {endpoint: 'https://otel.example.com', percent: 101}\n"), "tracing.percent: it is at most 100"},
		{"operations nowhere", with("operations: {listen: '9090'}\n"), "operations.listen: 9090 is not HOST:PORT"},
		{"operations for everybody", with("operations: {listen: '127.0.0.1:8080'}\n"), "operations.listen: it is where everybody comes"},
		{"no port", with("listen: 127.0.0.1\n"), "listen: 127.0.0.1 is not HOST:PORT"},
		{"no host", with("listen: ':8080'\n"), "listen: :8080 is not HOST:PORT"},
		{"port 0", with("listen: 127.0.0.1:0\n"), "the port must be a fixed one"},
		{"port 99999", with("listen: 127.0.0.1:99999\n"), "is not HOST:PORT"},
		{"everybody's proxy", with("trusted_proxies: [0.0.0.0/0]\n"), "trusted_proxies[0]: 0.0.0.0/0 is everybody"},
		{"everybody's proxy, IPv6", with("trusted_proxies: ['::/0']\n"), "trusted_proxies[0]: ::/0 is everybody"},
		{"no network", with("trusted_proxies: [10.0.0.1]\n"), "trusted_proxies[0]: 10.0.0.1 is not a network"},
		// Where things lie.
		{"a password in the clear", with("database: postgres://me:hunter2@db/doorward\n"), "database: a password stands here in the clear"},
		{"a password in the query", with("database: postgres://db/doorward?password=hunter2\n"), "database: a password stands here in the clear"},
		{"another database", with("database: mysql://db/doorward\n"), "database: it begins neither with sqlite: nor with postgres://"},
		{"no file", with("database: 'sqlite:'\n"), "database: sqlite: is followed by the path"},
		{"parameters for SQLite", with("database: 'sqlite:a.db?mode=memory'\n"), "database: sqlite: is followed by the path"},
		{"a reference of no kind", with("database: postgres://me:${vault:x}@db/doorward\n"), "database: there is no reference ${vault:x}"},
		{"a credential with a path", with("database: postgres://me:${credential:../x}@db/doorward\n"), "database: the reference ${credential:../x} has a path"},
		{"a reference to nothing", with("database: ${env:}\n"), "names nothing"},
		{"half a reference", with("database: postgres://me:${env:X@db/doorward\n"), "a reference has no end"},
		// Servers.
		{"no server", without("servers"), "servers: it is missing"},
		{"an empty list of servers", with("servers: {}\n"), "servers: it is missing"},
		{"a name with a space", with("servers: {'a b': {path: /a, demo: true}}\n"), "a server's name is"},
		{"no path", with("servers: {a: {demo: true}}\n"), "servers.a.path: it is missing"},
		{"no slash", with("servers: {a: {path: mcp, demo: true}}\n"), "servers.a.path: mcp is not a path"},
		{"the root", with("servers: {a: {path: /, demo: true}}\n"), "is not a path"},
		{"dots", with("servers: {a: {path: /a/../token, demo: true}}\n"), "is not a path"},
		{"a pattern", with("servers: {a: {path: '/{x}', demo: true}}\n"), "is not a path"},
		{"an escape", with("servers: {a: {path: /%74oken, demo: true}}\n"), "is not a path"},
		{"our own path", with("servers: {a: {path: /token, demo: true}}\n"), "servers.a.path: /token is an address of Doorward's own"},
		{"below our own path", with("servers: {a: {path: /.well-known/x, demo: true}}\n"), "is an address of Doorward's own"},
		{"an auth of no kind", with("servers: {a: {path: /a, demo: true, auth: none}}\n"), "servers.a.auth: there is no auth none"},
		{"open, and it asks for scopes", with("servers: {a: {path: /a, demo: true, auth: none-insecure, required: [mcp]}}\n"), "servers.a.required: the server is open to everybody"},
		{"open, and it asks for proofs", with("servers: {a: {path: /a, demo: true, auth: none-insecure, dpop: {required: true}}}\n"), "servers.a.dpop: the server is open to everybody"},
		{"open, and a client serves it", with("servers: {a: {path: /a, demo: true, auth: none-insecure}}\n" + client + "      secret: ${env:A}\n      serves: [a]\n"), "clients.listed[0].serves[0]: the server a is open"},
		{"a scope that nobody has, required", with("servers: {a: {path: /a, demo: true, required: [x]}}\n"), "servers.a.required[0]: x is not among the server's scopes"},
		{"a need without scopes", with("servers: {a: {path: /a, demo: true, needs: [{tools: [x]}]}}\n"), "servers.a.needs[0].scopes: it is missing"},
		{"a need of a scope that nobody has", with("servers: {a: {path: /a, demo: true, needs: [{tools: [x], scopes: [y]}]}}\n"), "servers.a.needs[0].scopes[0]: y is not among"},
		{"a need of everything", with("servers: {a: {path: /a, demo: true, needs: [{scopes: [mcp]}]}}\n"), "servers.a.needs[0]: it is for every operation: write `required`"},
		{"a need of no method", with("servers: {a: {path: /a, demo: true, needs: [{methods: [call], scopes: [mcp]}]}}\n"), "servers.a.needs[0].methods[0]: call is no method"},
		{"a need of an empty name", with("servers: {a: {path: /a, demo: true, needs: [{tools: [''], scopes: [mcp]}]}}\n"), "servers.a.needs[0].tools[0]: it is empty"},
		{"a scope that includes itself", with("servers: {a: {path: /a, demo: true, scopes: [{name: mcp, sentence: Use it, includes: [mcp]}]}}\n"), "servers.a.scopes[0].includes: mcp includes itself already"},
		{"a scope that includes nothing known", with("servers: {a: {path: /a, demo: true, scopes: [{name: mcp, sentence: Use it, includes: [x]}]}}\n"), "servers.a.scopes[0].includes[0]: x is not among"},
		{"one path twice", with("servers: {a: {path: /a, demo: true}, b: {path: /a, demo: true}}\n"), "servers.b.path: server a has the path /a already"},
		{"one resource twice", with("servers: {a: {path: /a, demo: true}, b: {path: /b, demo: true, resource: 'https://MCP.example.com/a/'}}\n"), "servers.b.resource: server a has the same resource"},
		{"one place of metadata twice", with("servers: {a: {path: /a, demo: true, resource: 'https://a.example.com'}, b: {path: /b, demo: true, resource: 'https://b.example.com'}}\n"), "servers.b.resource: its metadata would lie at the same path as that of server a"},
		{"our own resource", with("servers: {a: {path: /a, demo: true, resource: 'https://mcp.example.com/userinfo'}}\n"), "servers.a.resource: https://mcp.example.com/userinfo is an address of Doorward's own"},
		{"http resource", with("servers: {a: {path: /a, demo: true, resource: 'http://mcp.example.com/a'}}\n"), "servers.a.resource: it is http"},
		{"resource with fragment", with("servers: {a: {path: /a, demo: true, resource: 'https://mcp.example.com/a#b'}}\n"), "servers.a.resource: it has a fragment"},
		{"nothing behind", with("servers: {a: {path: /a}}\n"), "servers.a: nothing stands behind it"},
		{"two behind", with("servers: {a: {path: /a, demo: true, url: 'http://127.0.0.1:1'}}\n"), "servers.a: it has several"},
		{"no address behind", with("servers: {a: {path: /a, url: '127.0.0.1:3000'}}\n"), "servers.a.url: it is not an http or https address"},
		{"a password behind", with("servers: {a: {path: /a, url: 'http://me:hunter2@127.0.0.1:1'}}\n"), "servers.a.url: it has a user name or password"},
		{"an environment for nobody", with("servers: {a: {path: /a, demo: true, environment: [A]}}\n"), "servers.a.environment: it is for a command"},
		{"no variable", with("servers: {a: {path: /a, command: [x], environment: ['a b']}}\n"), "servers.a.environment[0]: it is neither NAME"},
		{"a key in the environment", with("servers: {a: {path: /a, command: [x], environment: ['API_KEY=hunter2']}}\n"), "servers.a.environment[0]: a secret seems to stand here in the clear"},
		{"a key in a header", with("servers: {a: {path: /a, demo: true, upstream_headers: {Authorization: Bearer hunter2}}}\n"), "upstream_headers.Authorization: a secret stands here in the clear"},
		{"a key in another header", with("servers: {a: {path: /a, demo: true, upstream_headers: {X-Api-Key: hunter2}}}\n"), "a secret stands here in the clear"},
		{"a forged caller", with("servers: {a: {path: /a, demo: true, upstream_headers: {doorward-caller: x}}}\n"), "doorward-caller is not yours to set"},
		{"no header", with("servers: {a: {path: /a, demo: true, upstream_headers: {'a b': x}}}\n"), "cannot be the name of a header"},
		{"a scope with a space", with("servers: {a: {path: /a, demo: true, scopes: [{name: 'a b', sentence: x}], initial: [x]}}\n"), "scopes[0].name: a scope is a word"},
		{"a scope of OpenID's", with("servers: {a: {path: /a, demo: true, scopes: [{name: openid, sentence: x}], initial: [openid]}}\n"), "scopes[0].name: openid has a meaning of its own"},
		{"one scope twice", with("servers: {a: {path: /a, demo: true, scopes: [{name: x, sentence: x}, {name: x, sentence: x}], initial: [x]}}\n"), "scopes[1].name: the scope x stands here a second time"},
		{"a scope without words", with("servers: {a: {path: /a, demo: true, scopes: [{name: x}], initial: [x]}}\n"), "scopes[0].sentence: it is missing"},
		{"no initial scope", with("servers: {a: {path: /a, demo: true, scopes: [{name: x, sentence: x}]}}\n"), "servers.a.initial: it is missing"},
		{"an unknown initial scope", with("servers: {a: {path: /a, demo: true, scopes: [{name: x, sentence: x}], initial: [y]}}\n"), "servers.a.initial[0]: y is not among the server's scopes"},
		{"a body of a gigabyte", with("servers: {a: {path: /a, demo: true, limits: {request_body: 1073741824}}}\n"), "request_body: at most 67108864"},
		{"old news", with("servers: {a: {path: /a, demo: true, limits: {revocation_news: 1h}}}\n"), "revocation_news: 1h is long"},
		{"a hurry", with("servers: {a: {path: /a, demo: true, authentication: {max_age: 1ms}}}\n"), "max_age: it must be a whole number of seconds"},
		{"an unknown actor", with("servers: {a: {path: /a, demo: true, may_act: nobody}}\n"), "servers.a.may_act: no listed client has the id nobody"},
		{"an actor without the grant", with("servers: {a: {path: /a, demo: true, may_act: a}}\n" + client + "      redirect_uris: ['https://a.example.com/cb']\n"), "servers.a.may_act: the client a does not have the grant type"},
		// Clients.
		{"no id", with("clients: {listed: [{redirect_uris: ['https://a/cb']}]}\n"), "clients.listed[0].client_id: it is missing"},
		{"an id of ours", with("clients: {listed: [{client_id: dw-a, redirect_uris: ['https://a/cb']}]}\n"), "ids that begin with dw-"},
		{"an id that is an address", with("clients: {listed: [{client_id: 'https://a/b', redirect_uris: ['https://a/cb']}]}\n"), "is the address of a metadata document"},
		{"an id with a space", with("clients: {listed: [{client_id: 'a b', redirect_uris: ['https://a/cb']}]}\n"), "client_id: it has a space"},
		{"one id twice", with("clients: {listed: [{client_id: a, redirect_uris: ['https://a/cb']}, {client_id: a, redirect_uris: ['https://b/cb']}]}\n"), "clients.listed[1].client_id: a stands here a second time"},
		{"a secret in the clear", with(client + "      secret: hunter2\n      redirect_uris: ['https://a/cb']\n"), "clients.listed[0].secret: a secret stands here in the clear"},
		{"a secret beside a reference", with(client + "      secret: hunter2${env:A}\n      redirect_uris: ['https://a/cb']\n"), "clients.listed[0].secret: a secret stands here in the clear"},
		{"a secret for a public client", with(client + "      token_endpoint_auth_method: none\n      secret: ${env:A}\n      redirect_uris: ['https://a/cb']\n"), "secret: the client authenticates with none"},
		{"a method without a secret", with(client + "      token_endpoint_auth_method: client_secret_basic\n      redirect_uris: ['https://a/cb']\n"), "token_endpoint_auth_method: client_secret_basic needs `secret`"},
		{"a method without keys", with(client + "      token_endpoint_auth_method: private_key_jwt\n      redirect_uris: ['https://a/cb']\n"), "private_key_jwt needs the client's keys"},
		{"a method of others", with(client + "      token_endpoint_auth_method: client_secret_jwt\n      redirect_uris: ['https://a/cb']\n"), "there is no method client_secret_jwt"},
		{"two key sets", with(client + "      jwks_uri: https://a/jwks\n      jwks_file: a.json\n      redirect_uris: ['https://a/cb']\n"), "jwks_file: the client has `jwks_uri` too"},
		{"keys over http", with(client + "      jwks_uri: http://a/jwks\n      redirect_uris: ['https://a/cb']\n"), "jwks_uri: it is http"},
		{"no redirect address", with(client), "clients.listed[0].redirect_uris: authorization_code needs at least one"},
		{"a bad redirect address", with(client + "      redirect_uris: ['http://a.example.com/cb']\n"), "redirect_uris[0]: http://a.example.com/cb cannot be a redirect address: http is only for"},
		{"a wildcard", with(client + "      redirect_uris: ['https://*.example.com/cb']\n"), "cannot be a redirect address"},
		{"a redirect address for nothing", with(client + "      grant_types: [client_credentials]\n      secret: ${env:A}\n      reaches: [mcp]\n      redirect_uris: ['https://a/cb']\n"), "nothing is ever sent there"},
		{"an unknown grant", with(client + "      grant_types: [password]\n"), "grant_types[0]: there is no grant type password"},
		{"a machine that is nobody", with(client + "      grant_types: [client_credentials]\n      reaches: [mcp]\n"), "grant_types[0]: the client must authenticate"},
		{"a machine that reaches nothing", with(client + "      grant_types: [client_credentials]\n      secret: ${env:A}\n"), "the client gets tokens for no server"},
		{"an unknown server", with(client + "      grant_types: [client_credentials]\n      secret: ${env:A}\n      reaches: [mcpp]\n"), "reaches[0]: there is no server mcpp: did you mean `mcp`?"},
		{"serving an unknown server", with(client + "      redirect_uris: ['https://a/cb']\n      secret: ${env:A}\n      serves: [x]\n"), "serves[0]: there is no server x"},
		{"serving as nobody", with(client + "      redirect_uris: ['https://a/cb']\n      serves: [mcp]\n"), "serves: who serves reads other people's tokens"},
		{"nothing to exchange", with(client + "      grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange']\n      secret: ${env:A}\n      reaches: [mcp]\n"), "the client has no tokens to exchange"},
		{"nobody to exchange for", with(client + "      grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange']\n      secret: ${env:A}\n      serves: [mcp]\n      reaches: [mcp]\n"), "nobody can consent that the client acts for them"},
		{"consent that nobody remembers", with(client + "      redirect_uris: ['http://127.0.0.1/cb']\n      grant_types: [authorization_code, 'urn:ietf:params:oauth:grant-type:token-exchange']\n      secret: ${env:A}\n      serves: [mcp]\n      reaches: [mcp]\n"), "nobody can consent that the client acts for them"},
		{"nowhere to exchange to", with(client + "      grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange']\n      secret: ${env:A}\n      serves: [mcp]\n"), "the client gets tokens for no server"},
		{"nobody's assertions", with(client + "      grant_types: ['urn:ietf:params:oauth:grant-type:jwt-bearer']\n      secret: ${env:A}\n      reaches: [mcp]\n"), "`assertion_issuers` has nobody"},
		{"no server for devices", with(client + "      grant_types: ['urn:ietf:params:oauth:grant-type:device_code']\n"), "no server has `device_authorization: true`"},
		{"nothing to refresh", with(client + "      grant_types: [refresh_token]\n"), "there is nothing to refresh"},
		{"an unknown scope", with(client + "      redirect_uris: ['https://a/cb']\n      scope: mcp root\n"), "scope: no server has the scope root"},
		{"a workload of nobody", with(client + "      grant_types: [client_credentials]\n      reaches: [mcp]\n      workload: {issuer: 'https://x', subject: s}\n"), "workload.issuer: https://x is not among `assertion_issuers`"},
		{"a workload of people", with(issuers + client + "      grant_types: [client_credentials]\n      reaches: [mcp]\n      workload: {issuer: 'https://login.example.com', subject: s}\n"), "its kind is identity"},
		{"every workload", with(issuers + client + "      grant_types: [client_credentials]\n      reaches: [mcp]\n      workload: {issuer: 'https://cluster.example.com'}\n"), "workload.subject: it is missing"},
		{"a workload with a secret", with(issuers + client + "      grant_types: [client_credentials]\n      reaches: [mcp]\n      secret: ${env:A}\n      workload: {issuer: 'https://cluster.example.com', subject: s}\n"), "workload: the client has other credentials too"},
		{"two clients of one workload", with(issuers + client + "      grant_types: [client_credentials]\n      reaches: [mcp]\n      workload: {issuer: 'https://cluster.example.com', subject: s}\n    - client_id: b\n      grant_types: [client_credentials]\n      reaches: [mcp]\n      workload: {issuer: 'https://cluster.example.com', subject: s}\n"), "clients.listed[1].workload: it is the same program as clients.listed[0]"},
		{"an unknown default", with("clients: {default: a}\n"), "clients.default: no listed client has the id a"},
		{"a default with a secret", with("clients: {default: a, listed: [{client_id: a, secret: '${env:A}', redirect_uris: ['https://a/cb']}]}\n"), "clients.default: the client a has credentials"},
		// Issuers.
		{"an issuer over http", with("assertion_issuers: [{issuer: 'http://a', kind: workload}]\n"), "assertion_issuers[0].issuer: it is http"},
		{"an issuer on loopback, seen from outside", with("assertion_issuers: [{issuer: 'http://127.0.0.1:1', kind: workload}]\n"), "assertion_issuers[0].issuer: it is http"},
		{"an issuer of no kind", with("assertion_issuers: [{issuer: 'https://a'}]\n"), "assertion_issuers[0].kind: it must be workload"},
		{"one issuer twice", with("assertion_issuers: [{issuer: 'https://a', kind: workload}, {issuer: 'https://a', kind: identity}]\n"), "assertion_issuers[1].issuer: it stands here a second time"},
		{"ourselves", with("assertion_issuers: [{issuer: 'https://mcp.example.com', kind: workload}]\n"), "it is this installation itself"},
		// The rest.
		{"no policy", without("policy"), "policy: it is missing"},
		{"another policy", with("policy: cedar\n"), "policy: there is no policy cedar"},
		{"a policy of two minds", with("policy: {bundle: a, authzen: {url: 'https://a/access/v1/evaluation'}}\n"), "policy: `bundle` and `authzen` exclude each other"},
		{"a shadow of nothing", with("policy: {shadow: a}\n"), "policy: it is missing: name a `bundle`"},
		{"a shadow of somebody else's decisions", with("policy: {shadow: a, authzen: {url: 'https://a'}}\n"), "`shadow`, `signed_by` and `attributes` are about a `bundle`"},
		{"a key that is none", with("policy: {bundle: a, signed_by: [me]}\n"), "policy.signed_by[0]: it is no verifier key"},
		{"attributes over http", with("policy: {bundle: a, attributes: {url: 'http://people.example.com'}}\n"), "policy.attributes.url: http is for loopback only"},
		{"attributes from nowhere", with("policy: {bundle: a, attributes: {keep: 1m}}\n"), "policy.attributes.url: it is missing"},
		{"decisions over http", with("policy: {authzen: {url: 'http://pdp.example.com'}}\n"), "policy.authzen.url: http is for loopback only"},
		{"decisions from no address", with("policy: {authzen: {url: pdp}}\n"), "policy.authzen.url: it is no https address"},
		{"questions without a token", with("policy: {bundle: a}\nclients: {listed: [{client_id: a, secret: '${env:A}', redirect_uris: ['https://a/cb'], evaluates: true}]}\n"), "evaluates: it asks with a token of its own"},
		{"questions without rules", with("clients: {listed: [{client_id: a, secret: '${env:A}', grant_types: [client_credentials], evaluates: true}]}\n"), "evaluates: there are no rules of our own to ask about"},
		{"no registration", without("registration"), "registration.mode: it is missing"},
		{"another mode", with("registration: {mode: closed}\n"), "registration.mode: there is no mode closed"},
		{"a token in the clear", with("registration: {mode: open, initial_access_token: hunter2}\n"), "registration.initial_access_token: a secret stands here in the clear"},
		{"hosts that are none", with("registration: {mode: open, redirect_hosts: {deny: ['a b']}}\n"), "registration.redirect_hosts.deny: \"a b\" is neither a host name"},
		{"a scheme that browsers run", with("registration: {mode: open, redirect_schemes: [javascript]}\n"), "registration.redirect_schemes: javascript is never a redirect to an app"},
		{"statements over http", with("registration: {mode: open, software_statement_issuers: [{issuer: 'https://a', jwks_uri: 'http://a/jwks'}]}\n"), "software_statement_issuers[0].jwks_uri: it is http"},
		{"statements of nobody", with("registration: {mode: open, software_statement_required: true}\n"), "registration.software_statement_required: software_statement_issuers is empty"},
		{"a code for an hour", with("lifetimes: {code: 1h}\n"), "lifetimes.code: 1h is longer than is safe"},
		{"a token for a week", with("lifetimes: {access_token: 7d}\n"), "lifetimes.access_token: 7d is longer than is safe"},
		{"idle longer than at most", with("lifetimes: {refresh_idle: 20d, refresh_most: 10d}\n"), "lifetimes.refresh_idle: 20d is longer than refresh_most"},
		{"no time at all", with("lifetimes: {code: 0s}\n"), "lifetimes.code: it must be longer than nothing"},
		{"a time before", with("lifetimes: {code: -1m}\n"), "lifetimes.code: it must be longer than nothing"},
		{"a time without a unit", with("lifetimes: {code: '60'}\n"), "lifetimes.code: it is not a duration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Read("f", []byte(c.file))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v\ndoes not say\n%s\n%s", err, c.says, c.file)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is repeated: %v", err)
			}
		})
	}
}

// What is weak elsewhere is allowed on loopback, and a proxy in front needs no certificate here.
func TestWhatIsAllowed(t *testing.T) {
	for name, file := range map[string]string{
		"a proxy in front":            base,
		"loopback":                    with("public_url: http://127.0.0.1:8080\nassertion_issuers: [{issuer: 'http://127.0.0.1:9', kind: workload}]\n"),
		"localhost, ::1":              with("public_url: http://localhost:8080\nlisten: '[::1]:8080'\n"),
		"everybody, with TLS":         with("listen: 0.0.0.0:443\ntls: {certificate: a, key: b}\n"),
		"two servers, one above":      with("servers: {a: {path: /a, demo: true}, b: {path: /a/b, demo: true}}\n"),
		"SQLite elsewhere":            with("database: sqlite:/var/lib/doorward.db\n"),
		"an address from elsewhere":   with("database: ${env:DATABASE_URL}\n"),
		"PostgreSQL on a socket":      with("database: postgres:///doorward?host=/run/postgresql\n"),
		"listed, by an administrator": with("registration: {mode: listed}\n"),
		"who only introspects":        with("clients: {listed: [{client_id: a, secret: '${env:A}', serves: [mcp]}]}\n"),
		"a header that is no secret":  with("servers: {a: {path: /a, demo: true, upstream_headers: {X-Tenant: main}}}\n"),
	} {
		if _, err := config.Read(name, []byte(file)); err != nil {
			t.Error(err)
		}
	}
}

// Check says the same of a value that no file gave, by the member.
func TestCheck(t *testing.T) {
	c, err := config.Read("f", []byte(base))
	if err != nil || c.Check() != nil {
		t.Fatal(err, c.Check())
	}
	c.Policy, c.Listen = config.Policy{}, "0.0.0.0:80"
	want := "listen: 0.0.0.0:80 can be reached from other machines, where nothing may go over plain HTTP: give `tls`, or listen on loopback behind a proxy that has it\npolicy: it is missing: name a `bundle` of rules (doorward policy init DIR makes one), or write `policy: scopes-only`"
	if err := c.Check(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// with is base and more; a key of more takes the place of the same key of base.
func with(more string) string {
	file := base
	for line := range strings.SplitSeq(more, "\n") {
		if key, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
			file = cut(file, key)
		}
	}
	return file + more
}

func without(key string) string { return cut(base, key) }

// cut is the file less a key and the lines below it.
func cut(file, key string) string {
	var b strings.Builder
	inside := false
	for line := range strings.SplitAfterSeq(file, "\n") {
		if !strings.HasPrefix(line, " ") {
			inside = strings.HasPrefix(line, key+":")
		}
		if !inside {
			b.WriteString(line)
		}
	}
	return b.String()
}
