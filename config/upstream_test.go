package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
)

// Every file that docs/upstreams.md shows is one.
func TestTheExamplesOfUpstreamsAreRead(t *testing.T) {
	b, err := os.ReadFile("../docs/upstreams.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(b), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		c, err := config.Read("docs/upstreams.md", []byte(b[1]))
		if err != nil {
			t.Errorf("%v\n%s", err, b[1])
			continue
		}
		comesBack(t, c)
	}
}

// What reaches an upstream, held against itself.
func TestContradictionsOfUpstreams(t *testing.T) {
	const (
		url = "url: 'https://up.example.com/mcp', "
		own = "upstream_credential: {client_credentials: {token_endpoint: 'https://idp.example.com/t', client_id: a, client_secret: '${env:S}'"
		swp = "upstream_credential: {exchange: {token_endpoint: 'https://idp.example.com/t', client_id: a, client_secret: '${env:S}'"
	)
	for _, c := range []struct{ name, server, says string }{
		{"two ways", url + "urls: ['https://b.example.com']", "servers.a.urls: give `url` for one"},
		{"one twice", "urls: ['https://b.example.com', 'https://b.example.com']", "servers.a.urls[1]: it stands here a second time"},
		{"no address", "urls: ['b']", "servers.a.urls[0]: it is not an http or https address"},
		{"a user", "urls: ['https://a:b@c.example.com']", "servers.a.urls[0]: it has a user name"},
		{"a balance of no kind", url + "balance: random", "servers.a.balance: there is no random: least-busy or round-robin"},
		{"a transport of no kind", url + "transport: websocket", "servers.a.transport: there is no websocket"},
		{"a caller header of no kind", url + "caller_header: never", "servers.a.caller_header: there is no never"},
		{"health in two ways", url + "health: {path: /h, tcp: true}", "servers.a.health.tcp: a `path` is given"},
		{"health at an address", url + "health: {path: 'https://h/'}", "servers.a.health.path: it is a path"},
		{"health all the time", url + "health: {tcp: true, interval: 1ms}", "servers.a.health.interval: at least 1s"},
		{"health that overtakes itself", url + "health: {tcp: true, interval: 1s, timeout: 5s}", "servers.a.health.timeout: 5s is longer than the interval"},
		{"ejected longer than at most", url + "health: {eject_for: 1h}", "servers.a.health.eject_for: 1h is longer than eject_most"},
		{"half a certificate", url + "upstream_tls: {certificate: a}", "servers.a.upstream_tls: certificate and key go together"},
		{"TLS over http", "url: 'http://127.0.0.1:1/', upstream_tls: {ca: a}", "servers.a.upstream_tls: http://127.0.0.1:1/ is http"},
		{"TLS for a command", "command: [a], upstream_tls: {ca: a}", "servers.a.upstream_tls: it is for an upstream at an address"},
		{"a token for a command", "command: [a], " + own + "}}", "servers.a.upstream_credential: it is for an upstream at an address"},
		{"a token in the clear", "url: 'http://up.example.com/', " + own + "}}", "servers.a.upstream_credential: http://up.example.com/ is http"},
		{"two credentials", url + "upstream_headers: {authorization: '${env:K}'}, " + own + "}}", "upstream_headers has an Authorization already"},
		{"two tokens", url + own + "}, exchange: {token_endpoint: 'https://idp.example.com/t', client_id: a, client_secret: '${env:S}'}}", "it is one of client_credentials and exchange"},
		{"no endpoint", url + "upstream_credential: {client_credentials: {client_id: a, method: none}}", "client_credentials.token_endpoint: it is missing"},
		{"an endpoint over http", url + "upstream_credential: {client_credentials: {token_endpoint: 'http://idp.example.com/t', client_id: a, method: none}}", "client_credentials.token_endpoint: it is not an https address"},
		{"nobody", url + "upstream_credential: {client_credentials: {token_endpoint: 'https://idp.example.com/t', method: none}}", "client_credentials.client_id: it is missing"},
		{"no secret", url + "upstream_credential: {client_credentials: {token_endpoint: 'https://idp.example.com/t', client_id: a}}", "client_credentials.client_secret: it is missing"},
		{"a secret that stands there", url + "upstream_credential: {client_credentials: {token_endpoint: 'https://idp.example.com/t', client_id: a, client_secret: hunter2}}", "client_credentials.client_secret: a secret stands here in the clear"},
		{"a secret for nobody", url + own + ", method: none}}", "client_credentials.client_secret: the method is none"},
		{"a method of no kind", url + own + ", method: tls_client_auth}}", "client_credentials.method: there is no tls_client_auth"},
		{"a scope that is none", url + own + ", scopes: ['a b']}}", "client_credentials.scopes[0]: a scope is a word"},
		{"another grant by a parameter", url + own + ", parameters: {grant_type: password}}}", "client_credentials.parameters.grant_type: grant_type is not yours"},
		{"a caller's token by a parameter", url + swp + ", parameters: {subject_token: x}}}", "exchange.parameters.subject_token: subject_token is not yours"},
		{"a secret in a parameter", url + own + ", parameters: {api_key: x}}}", "client_credentials.parameters.api_key: a secret seems"},
		{"a grant of no kind", url + swp + ", grant: password}}", "exchange.grant: there is no password"},
		{"a type that is not sent", url + swp + ", grant: jwt-bearer, subject_token_type: 'urn:x'}}", "exchange.subject_token_type: the grant jwt-bearer has none"},
		{"an exchange for everybody", "auth: none-insecure, " + url + swp + "}}", "exchange: the server is open to everybody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Read("doorward.yaml", []byte(with("servers: {a: {path: /a, "+c.server+"}}\n")))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}
