package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const twoServers = `public_url: http://127.0.0.1:$PORT
listen: 127.0.0.1:$PORT
data: $DIR/data
policy: scopes-only
registration:
  mode: open
servers:
  first:
    path: /first
    url: $UP
  second:
    path: /second
    url: $UP
`

// at gives the same server, spoken to at another resource.
func (s *server) resource(path string) *server {
	other := *s
	other.ready.Resource = s.ready.Issuer + path
	return &other
}

// tokensFor signs somebody in by a link and gives an app with tokens for a resource. Apps of one name are one client.
func (s *server) tokensFor(link, name string) (*app, tokens) {
	s.t.Helper()
	b := s.browser()
	b.signInBy(link)
	a := s.register(`{"client_name":"` + name + `","redirect_uris":["` + callback + `"]}`)
	return a, a.redeem(a.code(b)).tokens(s.t)
}

// proofOf asks for the proof of a call.
func (s *server) proofOf(token, receipt string) answer {
	s.t.Helper()
	var header []string
	if token != "" {
		header = []string{"Authorization", "Bearer " + token}
	}
	return do(s.t, http.DefaultClient, request(s.t, "GET", s.at("/audit/proof/"+receipt), "", header...))
}

// alike is what an answer tells, without what is another one in each.
func (a answer) alike() string {
	h := a.Header.Clone()
	id := h.Get("X-Request-Id")
	h.Del("X-Request-Id")
	h.Del("Date")
	return strings.ReplaceAll(fmt.Sprintf("%s %v %s", a.Status, h, a.body), id, "REQUEST")
}

// A receipt is good for whoever made the call, and tells nobody else whether there was one.
func TestAttackOnAReceipt(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protectFile(t, strings.ReplaceAll(twoServers, "$UP", up.URL))
	first, second := s.resource("/first"), s.resource("/second")
	alice := s.admin("user", "add", "alice")["sign_in_link"]
	bob := s.admin("user", "add", "bob")["sign_in_link"]
	app, mine := second.tokensFor(alice, "App")
	again := func(on *server) tokens { // another client of the same person
		t.Helper()
		_, got := on.tokensFor(s.admin("link", "alice")["sign_in_link"], "Another app")
		return got
	}
	called := second.call(mine.Access, "transfer", `{"to":"bob"}`)
	receipt := called.Header.Get("Doorward-Receipt")
	if called.StatusCode != http.StatusOK || receipt == "" {
		t.Fatal(called.Status, called.body)
	}
	eventually(t, "the caller gets the proof", func() bool {
		a := s.proofOf(mine.Access, receipt)
		return a.StatusCode == http.StatusOK && strings.Count(a.body, "c2sp.org/tlog-proof") == 2
	})
	// A refreshed token is the same client's of the same person.
	if a := s.proofOf(app.refresh(mine.Refresh).tokens(t).Access, receipt); a.StatusCode != http.StatusOK {
		t.Errorf("a later token of the caller: %s %s", a.Status, a.body)
	}
	_, other := second.tokensFor(bob, "App")
	b := s.browser()
	b.signInBy(s.admin("link", "alice")["sign_in_link"])
	elsewhere := app.again()
	elsewhere.server = first
	same := elsewhere.redeem(elsewhere.code(b)).tokens(t)
	for name, token := range map[string]string{"another person": other.Access, "another client of the same person": again(second).Access, "the same client at another server": same.Access,
		"another client at another server": again(first).Access, "no token": "", "what is no token": "x", "a token that was altered": mine.Access[:len(mine.Access)-8] + "AAAAAAAA", "a refresh token": mine.Refresh} {
		t.Run(name, func(t *testing.T) {
			there, not := s.proofOf(token, receipt), s.proofOf(token, strings.Repeat("A", len(receipt)))
			if there.StatusCode != http.StatusNotFound && there.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s %s", there.Status, there.body)
			}
			if there.alike() != not.alike() {
				t.Errorf("the answer tells that there is such a call:\n%s\n%s", there.alike(), not.alike())
			}
		})
	}
	for _, id := range []string{"", "/", receipt + "/", "../api/query", strings.Repeat("A", 5000), "%00", receipt[:10], strings.ToLower(receipt)} {
		if a := s.proofOf(mine.Access, id); a.StatusCode == http.StatusOK {
			t.Errorf("%q: %s %s", id, a.Status, a.body)
		}
	}
}

// What a caller is given verifies by itself, and says nothing that the caller has not said.
func TestAReceiptProvesTheCall(t *testing.T) {
	up := upstreamOf(t, nil)
	s := protect(t, up.URL)
	_, got := s.connect()
	a := s.call(got.Access, "transfer", `{"amount":"the-argument"}`)
	var answered answer
	eventually(t, "the caller gets the proof", func() bool {
		answered = s.proofOf(got.Access, a.Header.Get("Doorward-Receipt"))
		return answered.StatusCode == http.StatusOK && strings.Count(answered.body, "c2sp.org/tlog-proof") == 2
	})
	if strings.Contains(answered.body, "the-argument") {
		t.Error("the record has an argument")
	}
	pin, err := os.ReadFile(filepath.Join(s.ready.Data, "audit", "log.pub"))
	if err != nil {
		t.Fatal(err)
	}
	phases := ""
	for _, one := range answered.json(t)["records"].([]any) {
		record := one.(map[string]any)
		phases += record["record"].(map[string]any)["phase"].(string) + " "
		leaf, err := base64.StdEncoding.DecodeString(record["leaf"].(string))
		if err != nil {
			t.Fatal(err)
		}
		proof, bytes := filepath.Join(t.TempDir(), "proof"), filepath.Join(t.TempDir(), "record")
		verify := func(leaf []byte) int {
			if err := os.WriteFile(proof, []byte(record["proof"].(string)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(bytes, leaf, 0o600); err != nil {
				t.Fatal(err)
			}
			status, _, _ := ran(t, "audit", "verify", "--key", strings.TrimSpace(string(pin)), "--proof", proof, "--record", bytes)
			return status
		}
		if status := verify(leaf); status != 0 {
			t.Errorf("the proof does not verify: status %d", status)
		}
		if status := verify([]byte(strings.Replace(string(leaf), `"phase"`, `"Phase"`, 1))); status != 1 {
			t.Errorf("the proof of another record: status %d", status)
		}
	}
	if phases != "intent outcome " {
		t.Errorf("the records are %s", phases)
	}
}

// The receipt stands in _meta too, where the request asks for it: in both eras, in JSON and in events; and only there.
func TestAReceiptInMeta(t *testing.T) {
	stream := false
	up := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		const body = `{"jsonrpc":"2.0","id":1,"result":{"content":[],"_meta":{"a":1,"io.github.doorward-mcp/receipt":"forged"}}}`
		if w.Header().Set("Content-Type", "application/json"); stream {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprint(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\ndata: "+body+"\n\n")
			return
		}
		_, _ = fmt.Fprint(w, body)
	})
	s := protect(t, up.URL)
	_, got := s.connect()
	for _, revision := range append(sessionRevisions, "2026-07-28") {
		for _, stream = range []bool{false, true} {
			for asked, wanted := range map[string]bool{`"io.github.doorward-mcp/receipt":true`: true, `"io.github.doorward-mcp/receipt":false`: false, `"io.github.doorward-mcp/receipt":"true"`: false, `"x":1`: false} {
				body := strings.Replace(callBody("add", "{}"), `"_meta":{`, `"_meta":{`+asked+`,`, 1)
				body = strings.ReplaceAll(body, "2026-07-28", revision)
				header := []string{"Mcp-Method", "tools/call", "Mcp-Name", "add"}
				a := do(t, http.DefaultClient, s.bearing(t, got.Access, "POST", body, revision, header...))
				receipt := a.Header.Get("Doorward-Receipt")
				if a.StatusCode != http.StatusOK || receipt == "" {
					t.Fatalf("%s: %s %s", revision, a.Status, a.body)
				}
				if has := strings.Contains(a.body, `"io.github.doorward-mcp/receipt":"`+receipt+`"`); has != wanted || wanted && strings.Contains(a.body, "forged") || !strings.Contains(a.body, `"a":1`) {
					t.Errorf("%s, stream %v, %s: %s", revision, stream, asked, a.body)
				}
			}
		}
	}
}

// With tiles for everybody, everybody sees that the log only grows, and only auditors see records.
func TestAttackOnPublicTiles(t *testing.T) {
	s := protectFile(t, plainFile+"audit:\n  tiles: public\n")
	_, got := s.connect()
	s.works("a call", got.Access)
	if a := s.get("/audit/checkpoint", ""); a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, strings.TrimPrefix(s.ready.Issuer, "http://")+"/audit\n") {
		t.Errorf("the checkpoint: %s %s", a.Status, a.body)
	}
	var tile string
	eventually(t, "a tile of some records", func() bool {
		size := strings.Split(s.get("/audit/checkpoint", "").body, "\n")[1]
		tile = "000.p/" + size
		return s.get("/audit/tile/0/"+tile, "").StatusCode == http.StatusOK
	})
	for name, token := range map[string]string{"nobody": "", "a caller of a server": got.Access, "no token": "x"} {
		if a := s.get("/audit/tile/entries/"+tile, "", "Authorization", "Bearer "+token); a.StatusCode/100 != 4 || strings.Contains(a.body, "mcp.called") {
			t.Errorf("entries for %s: %s", name, a.Status)
		}
	}
	for _, path := range []string{"/audit/api/query", "/audit/api/show"} {
		r := request(t, "POST", s.at(path), `{}`, "Authorization", "Bearer "+got.Access, "Content-Type", "application/json")
		if a := do(t, http.DefaultClient, r); a.StatusCode/100 != 4 || strings.Contains(a.body, "mcp.called") {
			t.Errorf("%s for a caller of a server: %s", path, a.Status)
		}
	}
	closed := protectFile(t, plainFile)
	for _, path := range []string{"/audit/checkpoint", "/audit/tile/0/000.p/1"} {
		if a := closed.get(path, ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s, which the configuration does not open: %s", path, a.Status)
		}
	}
}
