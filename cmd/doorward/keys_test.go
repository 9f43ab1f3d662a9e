package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// published is the key set as anybody reads it.
func (s *server) published(t testing.TB) (set jose.JSONWebKeySet, ids []string) {
	t.Helper()
	a := do(t, http.DefaultClient, request(t, "GET", s.at("/jwks"), ""))
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %v", a.Status, a.Header)
	}
	if err := json.Unmarshal([]byte(a.body), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Algorithm != "ES256" || k.Use != "sig" || k.KeyID == "" {
			t.Errorf("the key %+v is published", k)
		}
		ids = append(ids, k.KeyID)
	}
	return set, ids
}

// verified is what a JWT of this typ says, its signature verified with the published keys.
func (s *server) verified(t testing.TB, raw, typ string) map[string]any {
	t.Helper()
	set, _ := s.published(t)
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	header := signed.Signatures[0].Protected
	keys := set.Key(header.KeyID)
	if len(keys) != 1 || header.ExtraHeaders["typ"] != typ {
		t.Fatalf("%d keys of id %q, typ %v", len(keys), header.KeyID, header.ExtraHeaders["typ"])
	}
	text, err := signed.Verify(keys[0])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func keyOf(t testing.TB, raw string) string {
	t.Helper()
	signed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return signed.Signatures[0].Protected.KeyID
}

// AS-JWKS-ROTATE: a new key is shown before it signs, and the one before it until its last token has expired.
func TestKeysRotate(t *testing.T) {
	s := protect(t)
	app, before := s.connect()
	_, first := s.published(t)
	if out, err := exec.Command("doorward", "admin", "keys", "rotate", "--data", s.ready.Data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, shown := s.published(t)
	if len(first) != 1 || len(shown) != 2 || !slices.Contains(shown, first[0]) {
		t.Fatalf("published are %v, then %v", first, shown)
	}
	s.works("a token from before", before.Access)
	next := app.refresh(before.Refresh).tokens(t)
	if keyOf(t, next.Access) != first[0] {
		t.Error("the new key signs at once: nobody has had time to see it")
	}
	// 20 minutes: the new key signs from then on. Both are shown while tokens of the first are good.
	s.rewrite("UPDATE signing_keys SET used = used - 1200001, shown = shown - 1200001, until_ = CASE until_ WHEN 0 THEN 0 ELSE until_ - 1200001 END")
	later := app.refresh(next.Refresh).tokens(t)
	if id := keyOf(t, later.Access); id == first[0] || !slices.Contains(shown, id) {
		t.Errorf("after 20 minutes %s signs", id)
	}
	s.verified(t, later.Access, "at+jwt")
	s.works("a token of the first key", next.Access)
	s.works("a token of the second", later.Access)
	// When its last token has expired the first key is gone, and what it signed is refused.
	s.rewrite("UPDATE signing_keys SET until_ = " + milliseconds(time.Now()) + " WHERE until_ <> 0")
	if _, left := s.published(t); len(left) != 1 || left[0] == first[0] {
		t.Errorf("published are %v", left)
	}
	s.refuses("a token of the first key", next.Access)
	s.works("a token of the second", later.Access)
}

// A key signs for 90 days; then the next is made without anybody's doing.
func TestAnOldKeyIsReplaced(t *testing.T) {
	s := protect(t)
	_, first := s.published(t)
	s.rewrite("UPDATE signing_keys SET used = used - 7776000001, shown = shown - 7776000001")
	if _, now := s.published(t); len(now) != 2 || !slices.Contains(now, first[0]) {
		t.Errorf("published are %v, then %v", first, now)
	}
}
