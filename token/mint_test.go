package token_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

func full() token.Claims {
	return token.Claims{
		Principal: token.Principal{Issuer: issuer, Subject: "alice"}, Client: "c", Grant: "g", ID: "j", Resource: resource, Scopes: oauth.NewScopes("b", "a"), ACR: "urn:x",
		Authenticated: noon.Add(-time.Hour), Issued: noon, Expires: noon.Add(10 * time.Minute), Groups: []string{"staff"},
		Chain: []token.Actor{{Principal: token.Principal{Issuer: "https://agents.example", Subject: "bot"}, Client: "d", How: "exchange"}, {Principal: token.Principal{Subject: "older"}}},
		Task:  &token.Task{ID: "t", Words: "Add up <the> figures & report", Tools: []string{"add", "sum"}, Expires: noon.Add(time.Hour)}, MayAct: "d", Key: "print",
	}
}

// decoded are the header and the claims of a token, unverified.
func decoded(t *testing.T, raw string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(raw, ".")
	for i, v := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// What is minted is what is verified, member by member.
func TestAMintedTokenSaysWhatItsClaimsSay(t *testing.T) {
	r := ring(t, key(t))
	raw, err := r.Access(noon, full())
	if err != nil {
		t.Fatal(err)
	}
	got, err := verifier(r).Verify(t.Context(), noon, raw, "print")
	if err != nil {
		t.Fatal(err)
	}
	want := token.Caller(full())
	want.Hash = sha256.Sum256([]byte(raw))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-claims +caller)\n%s", diff)
	}
}

// RFC 9068 §2.1 and §2.2: the header and the names of the claims, as another implementation reads them.
func TestAccessTokensAreRFC9068(t *testing.T) {
	k := key(t)
	raw, err := ring(t, k).Access(noon, full())
	if err != nil {
		t.Fatal(err)
	}
	header, claims := decoded(t, raw)
	if diff := cmp.Diff(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": k.ID}, header); diff != "" {
		t.Errorf("header (-want +got)\n%s", diff)
	}
	want := map[string]any{
		"iss": issuer, "sub": "alice", "aud": resource, "exp": float64(noon.Unix() + 600), "iat": float64(noon.Unix()), "jti": "j", "client_id": "c", "scope": "a b",
		"auth_time": float64(noon.Unix() - 3600), "acr": "urn:x", "gid": "g", "groups": []any{"staff"}, "cnf": map[string]any{"jkt": "print"}, "may_act": map[string]any{"sub": "d", "client_id": "d"},
		"authorization_details": []any{map[string]any{"type": "doorward_task", "id": "t", "words": "Add up <the> figures & report", "tools": []any{"add", "sum"}, "expires": float64(noon.Unix() + 3600)}},
		"act":                   map[string]any{"iss": "https://agents.example", "sub": "bot", "client_id": "d", "how": "exchange", "act": map[string]any{"sub": "older"}},
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got)\n%s", diff)
	}
}

// RFC 8725 §3.11: an assertion that tells an upstream who calls is no access token, for whomever it was meant.
func TestACallerAssertionIsNoAccessToken(t *testing.T) {
	r := ring(t, key(t))
	for _, upstream := range []string{"http://127.0.0.1:3000/mcp", resource} {
		raw, err := r.Caller(noon, upstream, token.Caller(full()))
		if err != nil {
			t.Fatal(err)
		}
		header, claims := decoded(t, raw)
		if header["typ"] != "doorward-caller+jwt" || claims["aud"] != upstream || claims["exp"] != float64(noon.Unix()+60) || claims["idp"] != issuer || claims["jti"] != nil || claims["gid"] != nil || claims["cnf"] != nil || claims["may_act"] != nil {
			t.Errorf("%v %v", header, claims)
		}
		if _, err := verifier(r).Verify(t.Context(), noon, raw, ""); reasonOf(t, err) != "type" {
			t.Errorf("as an access token: %v", err)
		}
	}
}

// A key is shown before it signs, signs until a later one does, and is shown until the last token that it signed has ended.
func TestTheRing(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	old, next := key(t), key(t)
	old.Shown, old.Used, old.Until = at(0), at(0), at(40)
	next.Shown, next.Used = at(10), at(30)
	r := ring(t, next, old)
	for _, c := range []struct {
		minute int
		signs  string
		shown  []string
	}{
		{-1, "", nil}, {0, old.ID, []string{old.ID}}, {10, old.ID, []string{next.ID, old.ID}}, {29, old.ID, []string{next.ID, old.ID}},
		{30, next.ID, []string{next.ID, old.ID}}, {39, next.ID, []string{next.ID, old.ID}}, {40, next.ID, []string{next.ID}},
	} {
		var shown []string
		for _, k := range r.Public(at(c.minute)).Keys {
			shown = append(shown, k.KeyID)
			if !k.IsPublic() || k.Algorithm != "ES256" || k.Use != "sig" {
				t.Errorf("published: %+v", k)
			}
		}
		if diff := cmp.Diff(c.shown, shown); diff != "" {
			t.Errorf("minute %d (-want +shown)\n%s", c.minute, diff)
		}
		raw, err := r.Access(at(c.minute), full())
		if c.signs == "" {
			if err == nil {
				t.Error("signed with a key that is not shown yet")
			}
			continue
		}
		if header, _ := decoded(t, raw); header["kid"] != c.signs {
			t.Errorf("minute %d: signed with %v", c.minute, header["kid"])
		}
	}
}

// Rule 6: however it is printed, a secret is not seen.
func TestASecretIsNotSeen(t *testing.T) {
	s := token.NewSecret("hunter2")
	b, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "p", &s, "in", struct{ S token.Secret }{s})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "in", struct{ S token.Secret }{s})
	all := fmt.Sprintf("%s %v %+v %#v %q %s %s", s, s, struct{ S token.Secret }{s}, s, s, b, log.String())
	if strings.Contains(all, "hunter2") {
		t.Error(all)
	}
	if s.Reveal() != "hunter2" || s.Empty() || !(token.Secret{}).Empty() {
		t.Error("the secret itself is lost")
	}
}
