package config_test

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/config"
	"github.com/doorward-mcp/doorward/provider"
)

const (
	// two issuers with keys, two that are asked, and one that has no profile.
	known = `issuers:
  entra: {issuer: 'https://login.microsoftonline.com/0d5a4e3f/v2.0', profile: entra}
  keycloak: {issuer: 'https://id.example.com/realms/main', profile: keycloak}
  auth0: {issuer: 'https://example.auth0.com/', profile: auth0}
  hydra: {issuer: 'https://hydra.example.com', introspection: {endpoint: 'https://hydra.example.com/introspect', client_id: d, client_secret: '${env:H}'}}
  plain: {issuer: 'https://plain.example.com', introspection: {endpoint: 'https://plain.example.com/introspect', client_id: d, client_secret: '${env:P}'}}
`
	scopes = "scopes: [{name: mcp, sentence: Use it}, {name: write, sentence: Change it}]"
)

// at is a file with servers a and b, whose members are these.
func at(a, b string) string {
	file := known + "servers:\n  a: {path: /a, demo: true, " + scopes + ", " + a + "}\n"
	if b != "" {
		file += "  b: {path: /b, demo: true, " + scopes + ", " + b + "}\n"
	}
	return with(file)
}

func issuer(members string) string {
	return with("issuers: {x: {" + members + "}}\n")
}

// RS-AUDIENCE-NOT-GENERIC, RS-ISSUER-PIN, RS-ONLY-OWN-RESOURCES: what could not be told apart, or would say nothing, is refused
// where it stands, each with its line and column.
func TestIssuers(t *testing.T) {
	const asked = "issuer: 'https://x.example.com', introspection: "
	for _, c := range []struct{ name, file, says string }{
		{"as it should be", at("issuers: [{name: entra, audiences: [x], scopes: {Notes.Read: [mcp]}}, {name: own}], groups_from: entra", ""), ""},
		{"no issuer", issuer("profile: okta"), "issuers.x.issuer: it is missing"},
		{"http", issuer("issuer: 'http://id.example.com'"), "issuers.x.issuer: it is http"},
		{"a query", issuer("issuer: 'https://id.example.com?a=b'"), "issuers.x.issuer: an issuer has no query"},
		{"ourselves", issuer("issuer: 'https://mcp.example.com'"), "issuers.x.issuer: it is this installation itself"},
		{"our name", with("issuers: {own: {issuer: 'https://id.example.com'}}\n"), "issuers.own: an issuer's name is"},
		{"one issuer twice", with("issuers: {x: {issuer: 'https://id.example.com'}, y: {issuer: 'https://id.example.com'}}\n"), "issuers.y.issuer: it is that of x already"},
		{"an unknown profile", issuer("issuer: 'https://id.example.com', profile: oktta"), "issuers.x.profile: there is no profile oktta: did you mean `okta`"},
		{"every tenant", issuer("issuer: 'https://login.microsoftonline.com/common/v2.0', profile: entra"), "issuers.x.issuer: it stands for every tenant"},
		{"an organisation of Okta", issuer("issuer: 'https://example.okta.com', profile: okta"), "issuers.x.issuer: the access tokens of the org"},
		{"a shared secret", issuer("issuer: 'https://id.example.com', algorithms: [HS256]"), "issuers.x.algorithms[0]: HS256 is not one of"},
		{"no signature", issuer("issuer: 'https://id.example.com', algorithms: [none]"), "issuers.x.algorithms[0]: none is not one of"},
		{"ID tokens", issuer("issuer: 'https://id.example.com', profile: cognito, access_token: {required: {token_use: [id]}}"), "issuers.x.access_token.required.token_use: access tokens of Amazon Cognito user pools have access there"},
		{"a claim without values", issuer("issuer: 'https://id.example.com', access_token: {required: {a: []}}"), "issuers.x.access_token.required.a: it has no value"},
		{"a claim that must and must not be there", issuer("issuer: 'https://id.example.com', access_token: {required: {a: [b]}, forbidden: [a]}"), "issuers.x.access_token.forbidden[0]: the claim is required too"},
		{"keys and introspection", issuer(asked + "{endpoint: 'https://x.example.com/i', client_id: a, client_secret: '${env:A}'}, jwks_uri: 'https://x.example.com/k'"), "issuers.x.jwks_uri: `introspection` is given too"},
		{"algorithms and introspection", issuer(asked + "{endpoint: 'https://x.example.com/i', client_id: a, client_secret: '${env:A}'}, algorithms: [RS256]"), "issuers.x.algorithms: `introspection` is given"},
		{"nowhere to ask", issuer(asked + "{client_id: a, client_secret: '${env:A}'}"), "issuers.x.introspection.endpoint: it is missing"},
		{"asked in the clear", issuer(asked + "{endpoint: 'http://x.example.com/i', client_id: a, client_secret: '${env:A}'}"), "issuers.x.introspection.endpoint: it is http"},
		{"nobody asks", issuer(asked + "{endpoint: 'https://x.example.com/i', client_secret: '${env:A}'}"), "issuers.x.introspection.client_id: it is missing"},
		{"asked without a secret", issuer(asked + "{endpoint: 'https://x.example.com/i', client_id: a}"), "issuers.x.introspection.client_secret: it is missing"},
		{"a secret in the clear", issuer(asked + "{endpoint: 'https://x.example.com/i', client_id: a, client_secret: hunter2}"), "issuers.x.introspection.client_secret: a secret stands here in the clear"},
		{"a method that there is not", issuer(asked + "{endpoint: 'https://x.example.com/i', client_id: a, client_secret: '${env:A}', method: basic}"), "issuers.x.introspection.method: there is no method basic"},
		// At a server.
		{"an unknown issuer", at("issuers: [{name: entraa, audiences: [x]}]", ""), "servers.a.issuers[0].name: `issuers` has nobody called entraa: did you mean `entra`"},
		{"no name", at("issuers: [{audiences: [x]}]", ""), "servers.a.issuers[0].name: it is missing"},
		{"one issuer twice at a server", at("issuers: [{name: entra, audiences: [x]}, {name: entra, audiences: [y]}]", ""), "servers.a.issuers[1].name: entra stands here a second time"},
		{"no audience", at("issuers: [{name: entra}]", ""), "servers.a.issuers[0].audiences: it is missing"},
		{"an audience of everybody's", at("issuers: [{name: keycloak, audiences: [account]}]", ""), "servers.a.issuers[0].audiences[0]: it stands in the tokens of every client"},
		{"the issuer as audience", at("issuers: [{name: auth0, audiences: ['https://example.auth0.com/']}]", ""), "servers.a.issuers[0].audiences[0]: it is the issuer itself"},
		{"one audience twice", at("issuers: [{name: entra, audiences: [x, x]}]", ""), "servers.a.issuers[0].audiences[1]: it stands here a second time"},
		{"something of our own tokens", at("issuers: [{name: own, audiences: [x]}]", ""), "servers.a.issuers[0]: Doorward's own tokens have"},
		{"a scope that the server has not", at("issuers: [{name: entra, audiences: [x], scopes: {Notes.Read: [wirte]}}]", ""), "servers.a.issuers[0].scopes.Notes.Read[0]: wirte is not among the server's scopes: did you mean `write`"},
		{"a scope for nothing", at("issuers: [{name: entra, audiences: [x], scopes: {Notes.Read: []}}]", ""), "servers.a.issuers[0].scopes.Notes.Read: it is made nothing of"},
		{"groups that do not count", at("issuers: [{name: own}, {name: entra, audiences: [x], groups: {g: [write]}}]", ""), "servers.a.issuers[1].groups: the groups of entra do not count"},
		{"groups of somebody else", at("issuers: [{name: entra, audiences: [x]}], groups_from: keycloak", ""), "servers.a.groups_from: keycloak is not among the issuers"},
		{"our groups, without us", at("issuers: [{name: entra, audiences: [x]}], groups_from: own", ""), "servers.a.groups_from: own is not among the issuers"},
		{"groups that stand nowhere", at("issuers: [{name: auth0, audiences: [x]}], groups_from: auth0", ""), "servers.a.groups_from: it is not known where in tokens of auth0 groups stand"},
		{"asked by the name of the second", at("issuers: [{name: auth0, audiences: [x]}, {name: entra, audiences: [x], asked_as: {mcp: 'api://x/mcp'}}]", ""), "servers.a.issuers[1].asked_as: clients are told one name"},
		{"asked by another's name beside ours", at("issuers: [{name: entra, audiences: [x], asked_as: {mcp: 'api://x/mcp'}}, {name: own}]", ""), "servers.a.issuers[0].asked_as: clients are told one name"},
		{"asked for what there is not", at("issuers: [{name: entra, audiences: [x], asked_as: {mpc: 'api://x/mcp'}}]", ""), "servers.a.issuers[0].asked_as.mpc: mpc is not among the server's scopes: did you mean `mcp`"},
		{"asked by no word", at("issuers: [{name: entra, audiences: [x], asked_as: {mcp: 'a b'}}]", ""), "servers.a.issuers[0].asked_as.mcp: a scope is a word"},
		{"a claim for nothing at a server", at("issuers: [{name: entra, audiences: [x], required_claims: {a: []}}]", ""), "servers.a.issuers[0].required_claims.a: it has no value"},
		{"open to everybody", with(known + "servers: {a: {path: /a, demo: true, auth: none-insecure, issuers: [{name: entra, audiences: [x]}]}}\n"), "servers.a.issuers: the server is open to everybody"},
		{"two that are asked about anything", at("issuers: [{name: hydra, audiences: [x]}, {name: plain, audiences: [x]}]", ""), "servers.a.issuers[1]: hydra is asked about tokens too"},
		{"a device for foreign tokens", at("issuers: [{name: entra, audiences: [x]}], device_authorization: true", ""), "servers.a.device_authorization: it is about tokens of Doorward's own"},
		{"a client for foreign tokens", at("issuers: [{name: entra, audiences: [x]}]", "") + "clients: {listed: [{client_id: c, secret: '${env:A}', grant_types: [client_credentials], reaches: [a]}]}\n", "clients.listed[0].reaches[0]: the server a takes no tokens of Doorward's own"},
		// Between two servers.
		{"one audience at two servers", at("issuers: [{name: entra, audiences: [x]}]", "issuers: [{name: entra, audiences: [y, x]}]"), "servers.b.issuers[0].audiences[1]: server a takes tokens of entra for the same audience"},
		{"one asks for more", at("issuers: [{name: entra, audiences: [x], required_scopes: [s]}]", "issuers: [{name: entra, audiences: [x]}]"), "for the same audience"},
		{"one asks for more of the same", at("issuers: [{name: entra, audiences: [x], required_scopes: [s, t]}]", "issuers: [{name: entra, audiences: [x], required_scopes: [s]}]"), "for the same audience"},
		{"a claim with a value of both", at("issuers: [{name: entra, audiences: [x], required_claims: {c: [a, b]}}]", "issuers: [{name: entra, audiences: [x], required_claims: {c: [b, d]}}]"), "for the same audience"},
		{"told apart by scopes", at("issuers: [{name: entra, audiences: [x], required_scopes: [s]}]", "issuers: [{name: entra, audiences: [x], required_scopes: [t]}]"), ""},
		{"told apart by a claim", at("issuers: [{name: entra, audiences: [x], required_claims: {c: [a]}}]", "issuers: [{name: entra, audiences: [x], required_claims: {c: [b]}}]"), ""},
		{"told apart by a claim and a scope", at("issuers: [{name: entra, audiences: [x], required_claims: {c: [a]}}]", "issuers: [{name: entra, audiences: [x], required_scopes: [s]}]"), ""},
		{"one audience of two issuers", at("issuers: [{name: entra, audiences: [x]}]", "issuers: [{name: keycloak, audiences: [x]}]"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			read, err := config.Read("doorward.yaml", []byte(c.file))
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				comesBack(t, read)
				return
			}
			var all *config.Error
			if !errors.As(err, &all) {
				t.Fatalf("it is taken; want %q\n%s", c.says, c.file)
			}
			if !slices.ContainsFunc(all.Problems, func(p config.Problem) bool {
				return p.Line > 0 && p.Column > 0 && strings.Contains(p.Path+": "+p.Text, c.says)
			}) {
				t.Errorf("%v\nwant %q", err, c.says)
			}
			if len(all.Problems) != 1 {
				t.Errorf("%d problems, want one:\n%v", len(all.Problems), err)
			}
		})
	}
}

// Two that are asked can stand at one server if it can be told from a token whom to ask.
func TestPrefixesTellApart(t *testing.T) {
	prefixed := func(a, b string) string {
		file := strings.Replace(strings.Replace(known, "'${env:H}'", "'${env:H}', token_prefix: "+a, 1), "'${env:P}'", "'${env:P}', token_prefix: "+b, 1)
		return with(file + "servers: {a: {path: /a, demo: true, issuers: [{name: hydra, audiences: [x]}, {name: plain, audiences: [x]}]}}\n")
	}
	if _, err := config.Read("doorward.yaml", []byte(prefixed("ory_at_", "plain_"))); err != nil {
		t.Error(err)
	}
	if _, err := config.Read("doorward.yaml", []byte(prefixed("ory_", "ory_at_"))); err == nil || !strings.Contains(err.Error(), "is asked about tokens too") {
		t.Error(err)
	}
}

// Clients of 2025-03-26 find the authorization server at the origin, and so only one: what mixes says so.
func TestClientsOf20250326AreWarnedOf(t *testing.T) {
	for file, want := range map[string]string{
		at("issuers: [{name: own}]", ""):                                                           "",
		at("issuers: [{name: own}, {name: entra, audiences: [x]}]", "name: B"):                     "",
		at("issuers: [{name: entra, audiences: [x]}]", "name: B"):                                  "servers.a.issuers",
		at("name: A", "issuers: [{name: entra, audiences: [x]}]"):                                  "servers.b.issuers",
		with("servers: {a: {path: /a, demo: true, auth: none-insecure}}\n"):                        "",
		at("issuers: [{name: entra, audiences: [x]}]", "issuers: [{name: auth0, audiences: [x]}]"): "servers.a.issuers servers.b.issuers",
	} {
		c, err := config.Read("doorward.yaml", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range c.Warnings() {
			got = append(got, w.Path)
			if !strings.Contains(w.Text, "2025-03-26") {
				t.Error(w.Text)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q, want %q\n%s", got, want, file)
		}
	}
}

// Every file that docs/issuers.md shows is one, and each profile has a part there.
func TestTheGuidesFilesAreRead(t *testing.T) {
	b, err := os.ReadFile("../docs/issuers.md")
	if err != nil {
		t.Fatal(err)
	}
	profiles := map[string]bool{}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(b), -1)
	for _, block := range blocks {
		c, err := config.Read("docs/issuers.md", []byte(block[1]))
		if err != nil {
			t.Errorf("%v\n%s", err, block[1])
			continue
		}
		for _, i := range c.Issuers {
			profiles[i.Profile] = true
		}
	}
	for _, name := range append(provider.Names(), "") {
		if !profiles[name] {
			t.Errorf("docs/issuers.md shows no file with the profile %q", name)
		}
	}
}
