package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Rule 3: the public address is configured. A page that rebinds its own name to this address sends its own name as Host.
func TestAttackWithAForgedHost(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	port := s.ready.Issuer[strings.LastIndexByte(s.ready.Issuer, ':')+1:]
	for _, host := range []string{"evil.example", "evil.example:" + port, "127.0.0.1", "127.0.0.1:1", "127.0.0.2:" + port, "localhost.:" + port, "LOCALHOST:" + port, "[::ffff:127.0.0.1]:" + port,
		"127.0.0.1:" + port + ".evil.example", "0.0.0.0:" + port} {
		for _, path := range []string{"/mcp", "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server", "/token", "/register", "/authorize", "/sign-in", "/consent", "/"} {
			r := request(t, "POST", s.at(path), callBody("whoami", "{}"), append(callHeaders("whoami"), "Authorization", "Bearer "+good.Access, "Content-Type", "application/json")...)
			r.Host = host
			a := do(t, http.DefaultClient, r)
			a.wants(t, http.StatusMisdirectedRequest, "invalid_request")
			if strings.Contains(a.body+fmt.Sprint(a.Header), "evil") {
				t.Errorf("%s with Host %s: the answer repeats it", path, host)
			}
		}
	}
	if n := len(up.all()); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}

// Nothing that a proxy would say is believed: no proxy is trusted.
func TestAttackWithForwardedHeaders(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	forged := []string{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Port", "1", "X-Forwarded-Prefix", "/evil",
		"Forwarded", "for=203.0.113.9;host=evil.example;proto=https", "X-Real-Ip", "203.0.113.9", "X-Original-Url", "/evil", "X-Rewrite-Url", "/evil", "X-Http-Method-Override", "DELETE"}
	get := func(path string, header ...string) answer {
		return do(t, http.DefaultClient, request(t, "GET", s.at(path), "", header...))
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		if plain, with := get(path), get(path, forged...); plain.StatusCode != 200 || plain.body != with.body {
			t.Errorf("%s changes with forwarded headers:\n%s\n%s", path, plain.body, with.body)
		}
	}
	if plain, with := s.send("", "{}"), s.send("", "{}", forged...); plain.Header.Get("WWW-Authenticate") != with.Header.Get("WWW-Authenticate") {
		t.Errorf("the challenge changes with forwarded headers: %s", with.Header.Get("WWW-Authenticate"))
	}
	_, good := s.connect()
	if a := s.call(good.Access, "whoami", "{}", forged...); a.StatusCode != 200 {
		t.Fatal(a.Status)
	}
	for name, values := range up.all()[0].Header {
		if all := strings.Join(values, ","); strings.Contains(all, "evil") || strings.Contains(all, "203.0.113.9") {
			t.Errorf("the upstream was told %s: %s", name, all)
		}
	}
	from := map[any]bool{} // everything came from one address, and the commitments to it are equal
	for _, r := range s.audited() {
		if r["net"] != nil {
			from[r["net"]] = true
		}
	}
	if len(from) != 1 {
		t.Errorf("%d addresses are recorded: some record believes the header", len(from))
	}
}

// Rule 4, RS-NO-PASSTHROUGH: a token that came in never goes out; neither does a cookie, a query, or an assertion that the
// caller made himself.
func TestAttackThroughToTheUpstream(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	body := callBody("whoami", "{}")
	r := request(t, "POST", s.ready.Resource+"?secret=query", body, append(callHeaders("whoami"), "Content-Type", "application/json", "Accept", "application/json", "Authorization", "Bearer "+good.Access,
		"Cookie", "doorward=secret-cookie", "Doorward-Caller", "eyJmb3JnZWQ.e30.x", "X-Api-Key", "secret-key", "Proxy-Authorization", "Basic c2VjcmV0", "X-User", "admin", "Mcp-Param-City", "Ulm", "Te", "trailers")...)
	if a := do(t, http.DefaultClient, r); a.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	seen := up.all()
	if len(seen) != 1 || seen[0].Body != body {
		t.Fatalf("the upstream saw %+v", seen)
	}
	got := seen[0]
	as(t, s, "the token", func(t *testing.T) {
		if all := fmt.Sprint(got); got.Header.Get("Authorization") != "" || strings.Contains(all, good.Access) || strings.Contains(all, good.Refresh) {
			t.Errorf("the upstream has the caller's token: %v", got.Header)
		}
	})
	as(t, s, "a cookie", func(t *testing.T) {
		if got.Header.Get("Cookie") != "" || strings.Contains(fmt.Sprint(got), "secret-cookie") {
			t.Errorf("the upstream has a cookie: %v", got.Header)
		}
	})
	as(t, s, "the query", func(t *testing.T) {
		if got.Query != "" {
			t.Errorf("the upstream has the query %s", got.Query)
		}
	})
	as(t, s, "a caller header of one's own", func(t *testing.T) {
		if v := got.Header.Values("Doorward-Caller"); len(v) != 1 || strings.Contains(v[0], "eyJmb3JnZWQ") {
			t.Errorf("the upstream has the caller header %v", v)
		}
	})
	as(t, s, "other headers", func(t *testing.T) {
		for _, name := range []string{"X-Api-Key", "Proxy-Authorization", "X-User", "Te"} {
			if v := got.Header.Get(name); v != "" {
				t.Errorf("the upstream has %s: %s", name, v)
			}
		}
		if got.Header.Get("Mcp-Param-City") != "Ulm" {
			t.Error("GW-XHDR-FORWARD: a parameter header did not reach the upstream")
		}
	})
}

// An upstream's own credentials and challenges are between it and the gateway.
func TestAttackByTheUpstream(t *testing.T) {
	status, headers := 200, http.Header{}
	up := upstreamOf(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, v := range headers {
			w.Header()[name] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`))
	})
	s := protect(t, up.URL)
	_, good := s.connect()
	hostile := http.Header{"Set-Cookie": {"doorward-x-session=fixed"}, "Www-Authenticate": {`Bearer resource_metadata="https://evil.example/"`}, "Location": {"https://evil.example/"},
		"Access-Control-Allow-Origin": {"https://evil.example"}, "Access-Control-Allow-Credentials": {"true"}, "Content-Security-Policy": {"default-src *"}, "Clear-Site-Data": {`"*"`}, "Refresh": {"0; url=https://evil.example/"},
		"Content-Type": {"application/json"}, "Doorward-Receipt": {"forged"}, "X-Request-Id": {"forged"}}
	for _, c := range []struct {
		name         string
		status, want int
	}{{"200", 200, 200}, {"its 401", 401, 502}, {"its redirect", 302, 502}, {"its permanent redirect", 308, 502}, {"its 403", 403, 502}, {"its 500", 500, 500}} {
		as(t, s, c.name, func(t *testing.T) {
			status, headers = c.status, hostile
			a := s.call(good.Access, "whoami", "{}")
			if a.StatusCode != c.want {
				t.Errorf("%s, want %d", a.Status, c.want)
			}
			for _, name := range []string{"Set-Cookie", "Www-Authenticate", "Location", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Content-Security-Policy", "Clear-Site-Data", "Refresh"} {
				if v := a.Header.Get(name); v != "" && (name != "Content-Security-Policy" || strings.Contains(v, "*")) {
					t.Errorf("%s: %s", name, v)
				}
			}
			if a.Header.Get("Doorward-Receipt") == "forged" || a.Header.Get("X-Request-Id") == "forged" {
				t.Error("the upstream's word stands for ours")
			}
		})
	}
}

// MCP, Transports, Security Warning: a page of another origin gets nothing, whatever token it has; the check comes first.
func TestAttackFromAnotherOrigin(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	for _, origin := range []string{"null", "https://evil.example", "http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://evil.example:80", "file://", "http://127.0.0.1@evil.example", "http://127.0.0.1:1/", "ftp://127.0.0.1", "", "HTTP://127.0.0.1"} {
		for name, raw := range map[string]string{"with a token": good.Access, "without": ""} {
			a := s.call(raw, "whoami", "{}", "Origin", origin)
			a.wants(t, http.StatusForbidden, "access_denied")
			if a.Header.Get("WWW-Authenticate") != "" || a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("origin %q %s: %v", origin, name, a.Header)
			}
		}
	}
	two := request(t, "POST", s.ready.Resource, callBody("whoami", "{}"), append(callHeaders("whoami"), "Content-Type", "application/json", "Authorization", "Bearer "+good.Access)...)
	two.Header["Origin"] = []string{s.ready.Issuer, "https://evil.example"}
	do(t, http.DefaultClient, two).wants(t, http.StatusForbidden, "access_denied")
	if n := len(up.all()); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
	for _, origin := range []string{s.ready.Issuer, "http://localhost:5173", "http://[::1]:6274"} {
		if a := s.call(good.Access, "whoami", "{}", "Origin", origin); a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("from %s: %s", origin, a.Status)
		}
	}
}

// GW-VALIDATION-STATUS, TR-HDR-VALIDATE: what one reader takes for one thing and another for another reaches nobody.
func TestAttackWithAmbiguousBodies(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, good := s.connect()
	whole := callBody("whoami", "{}")
	replace := func(old, with string) string {
		if strings.Count(whole, old) != 1 {
			t.Fatalf("%s stands %d times in the body", old, strings.Count(whole, old))
		}
		return strings.Replace(whole, old, with, 1)
	}
	attack := func(name, body string, header ...string) {
		as(t, s, name, func(t *testing.T) {
			a := s.send(good.Access, body, append(callHeaders("whoami"), header...)...)
			if a.StatusCode < 400 || a.StatusCode > 499 || len(up.all()) != 0 {
				t.Errorf("%s; %d requests reached the upstream\n%s", a.Status, len(up.all()), a.body)
			}
		})
	}
	attack("a name twice", replace(`"name":"whoami"`, `"name":"whoami","name":"delete_user"`))
	attack("the method twice", replace(`"method":"tools/call"`, `"method":"tools/list","method":"tools/call"`))
	attack("a name twice, once escaped", replace(`"name":"whoami"`, `"name":"whoami","n\u0061me":"delete_user"`))
	attack("a name twice in the arguments", callBody("whoami", `{"a":1,"a":2}`))
	attack("another case", replace(`"name":"whoami"`, `"name":"whoami","Name":"delete_user"`))
	attack("another case of params", replace(`"params":{"name"`, `"Params":{"name":"delete_user"},"params":{"name"`))
	attack("another case of method", replace(`"method":"tools/call"`, `"method":"tools/call","METHOD":"tools/list"`))
	attack("a letter that folds to another", replace(`"params":{"name"`, `"param\u017f":{"name":"delete_user"},"params":{"name"`))
	attack("invalid UTF-8", replace(`"whoami"`, "\"whoami\xff\""))
	attack("half a surrogate", replace(`"whoami"`, `"whoami\ud800"`))
	attack("something after the message", whole+`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"delete_user"}}`)
	attack("a comment", whole+"// end")
	attack("a byte order mark", "\ufeff"+whole)
	attack("a batch in a revision without", "["+whole+"]")
	attack("the header names another tool", callBody("delete_user", "{}"))
	attack("the header names another method", whole, "Mcp-Method", "tools/list")
	attack("the header names no tool", whole, "Mcp-Name", "")
	attack("two revisions", whole, "Mcp-Protocol-Version", "2025-06-18")
	attack("an unknown revision", whole, "Mcp-Protocol-Version", "2031-01-01")
	attack("another charset", whole, "Content-Type", "application/json; charset=utf-7")
	attack("another type", whole, "Content-Type", "text/plain")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(whole))
	_ = z.Close()
	attack("packed", packed.String(), "Content-Encoding", "gzip")
	attack("called packed", whole, "Content-Encoding", "gzip") // who unpacks reads another body, or none
	attack("too deep", callBody("whoami", `{"a":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`))
	attack("too long", callBody("whoami", `{"a":"`+strings.Repeat("x", 4<<20)+`"}`))
	attack("an id that no double holds", replace(`"id":1`, `"id":9007199254740993`))
	attack("no id", replace(`"id":1`, `"id":null`))
	attack("nothing", "")
	if a := s.send(good.Access, whole, callHeaders("whoami")...); a.StatusCode != 200 || len(up.all()) != 1 || up.all()[0].Body != whole {
		t.Errorf("the unambiguous one: %s, %v", a.Status, up.all())
	}
}

// RS-SCOPE-NOT-ENOUGH: a good token without the scope is answered 403 with what it lacks, and reaches nothing.
func TestAttackWithTooLittleScope(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	f := newForger(t, s)
	a := s.call(f.signed(func(_, p map[string]any) { p["scope"] = "other" }), "whoami", "{}")
	if a.StatusCode != http.StatusForbidden || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) || len(up.all()) != 0 {
		t.Errorf("%s, %s, %d reached", a.Status, a.Header.Get("WWW-Authenticate"), len(up.all()))
	}
}
