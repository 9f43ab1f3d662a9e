package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/token"
)

func set(keys ...any) string { return string(must(json.Marshal(map[string]any{"keys": keys}))) }

// RFC 7517 §5 and RFC 8725 §3.5: what a client may register as its keys, and under which name each is found.
func TestFixedKeys(t *testing.T) {
	a, b := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	rsaKey, short := must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 1024))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	of := func(public any, kid string) jose.JSONWebKey { return jose.JSONWebKey{Key: public, KeyID: kid} }
	one, two, nameless := of(a.Public(), "a"), of(b.Public(), "b"), of(a.Public(), "")
	unknown := map[string]string{"kty": "XX", "kid": "x"}
	many := func(n int) (all []any) {
		for i := range n {
			all = append(all, of(a.Public(), strconv.Itoa(i)))
		}
		return all
	}
	for _, c := range []struct {
		name, jwks string
		known      map[string]string // :: kid asked for → kid found; nil: the set is refused
	}{
		{"one", set(one), map[string]string{"a": "a", "": "a", "b": "-"}},
		{"two", set(one, two), map[string]string{"a": "a", "b": "b", "": "-", "c": "-"}},
		{"RSA", set(of(rsaKey.Public(), "r")), map[string]string{"r": "r"}},
		{"Ed25519", set(of(ed, "e")), map[string]string{"e": "e"}},
		{"one without a name", set(nameless), map[string]string{"": "", "any": ""}},
		{"one beside one of an unknown kind", set(one, unknown), map[string]string{"a": "a", "": "a", "x": "-"}},
		{"one beside one for encryption", set(one, with(two, "use", "enc")), map[string]string{"": "a", "b": "-"}},
		{"one beside one that is too short", set(one, of(short.Public(), "s")), map[string]string{"": "a", "s": "-"}},
		{"one without a name beside another", set(nameless, two), nil},
		{"two without a name", set(nameless, of(b.Public(), "")), nil},
		{"two of one name", set(one, of(b.Public(), "a")), nil},
		{"a private key", set(one, of(b, "b")), nil},
		{"a private RSA key", set(of(rsaKey, "r")), nil},
		{"a private member beside a public key", set(with(one, "d", "AA")), nil},
		{"a symmetric key", set(one, of([]byte("secret"), "s")), nil},
		{"a symmetric key without its secret", set(one, map[string]string{"kty": "oct", "kid": "s"}), nil},
		{"only one for encryption", set(with(one, "use", "enc")), nil},
		{"only one that is too short", set(of(short.Public(), "s")), nil},
		{"only one on a curve that is not in use", set(of(p521.Public(), "p")), nil},
		{"only one of an unknown kind", set(unknown), nil},
		{"no key", set(), nil},
		{"20 keys", set(many(20)...), map[string]string{"19": "19"}},
		{"21 keys", set(many(21)...), nil},
		{"a key that is no object", set("a"), nil},
		{"keys twice", `{"keys":[],"keys":[` + string(must(json.Marshal(one))) + `]}`, nil},
		{"a list", `[]`, nil},
		{"nothing", ``, nil},
	} {
		keys, err := token.FixedKeys([]byte(c.jwks))
		if c.known == nil {
			if err == nil || keys != nil {
				t.Errorf("%s is taken", c.name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for kid, want := range c.known {
			got, err := keys(t.Context(), noon, kid)
			if want == "-" && !errors.Is(err, token.ErrNoKey) || want != "-" && (err != nil || got.KeyID != want || !got.IsPublic()) {
				t.Errorf("%s: %q is %q, %v", c.name, kid, got.KeyID, err)
			}
		}
	}
}

// RFC 7517 §5: of a published set the keys count that are understood; a token without kid means the only one.
func TestAPublishedSetWithKeysOfOtherKinds(t *testing.T) {
	a, b := key(t), key(t)
	one, two, unknown := jose.JSONWebKey{Key: a.Private.Public(), KeyID: "a"}, jose.JSONWebKey{Key: b.Private.Public(), KeyID: "b"}, map[string]string{"kty": "XX", "kid": "x"}
	nameless := jose.JSONWebKey{Key: b.Private.Public()}
	for _, c := range []struct {
		name  string
		keys  []any
		known map[string]string
	}{
		{"one and an unknown kind", []any{unknown, one}, map[string]string{"a": "a", "": "a", "x": "-"}},
		{"two", []any{one, two}, map[string]string{"a": "a", "b": "b", "": "-"}},
		{"one and one without a name", []any{one, nameless}, map[string]string{"a": "a", "": "", "x": "-"}},
		{"two without a name", []any{nameless, nameless}, map[string]string{"": "-", "a": "-"}},
	} {
		p := &published{set: map[string]any{"keys": c.keys}}
		s := token.NewSet("https://as.example/jwks", p.fetch)
		for kid, want := range c.known {
			got, err := s.Key(t.Context(), noon, kid)
			if want == "-" && !errors.Is(err, token.ErrNoKey) || want != "-" && (err != nil || got.KeyID != want) {
				t.Errorf("%s: %q is %q, %v", c.name, kid, got.KeyID, err)
			}
		}
	}
}

// While a set is read, whoever needs a key that is known goes on; the others wait for the one reading, and none that goes
// away ends it.
func TestAReadingHoldsUpNobodyWhoNeedsNone(t *testing.T) {
	k, next := key(t), key(t)
	synctest.Test(t, func(t *testing.T) {
		now, answer, reads := ring(t, k), make(chan error), 0
		s := token.NewSet("https://as.example/jwks", func(ctx context.Context, _ string) ([]byte, time.Time, error) {
			reads++
			return must(json.Marshal(now.Public(noon))), time.Time{}, errors.Join(<-answer, ctx.Err())
		})
		type result struct {
			who string
			err error
		}
		results := make(chan result, 10)
		ask := func(ctx context.Context, who, kid string, at time.Time) {
			go func() {
				_, err := s.Key(ctx, at, kid)
				results <- result{who, err}
			}()
			synctest.Wait()
		}
		got := func(want map[string]error) {
			t.Helper()
			synctest.Wait()
			if len(results) != len(want) {
				t.Errorf("%d have gone on, want %d", len(results), len(want))
			}
			for range len(results) {
				r := <-results
				if err, ok := want[r.who]; !ok || !errors.Is(r.err, err) {
					t.Errorf("%s: %v, want %v", r.who, r.err, err)
				}
			}
		}
		ask(t.Context(), "first", k.ID, noon)
		ask(t.Context(), "second", k.ID, noon)
		got(map[string]error{})
		answer <- nil
		got(map[string]error{"first": nil, "second": nil})

		now = ring(t, k, next)
		gone, leave := context.WithCancel(t.Context())
		ask(gone, "wants the next", next.ID, noon.Add(time.Minute))
		ask(t.Context(), "wants the next too", next.ID, noon.Add(time.Minute))
		ask(t.Context(), "wants a known one", k.ID, noon.Add(time.Minute))
		got(map[string]error{"wants a known one": nil})
		leave()
		got(map[string]error{"wants the next": token.ErrUnavailable})
		answer <- nil
		got(map[string]error{"wants the next too": nil})

		ask(t.Context(), "renews", k.ID, noon.Add(20*time.Minute))
		ask(t.Context(), "goes on", k.ID, noon.Add(20*time.Minute))
		ask(t.Context(), "is too late for what is known", k.ID, noon.Add(2*time.Hour))
		got(map[string]error{"goes on": nil})
		answer <- errors.New("unreachable")
		got(map[string]error{"renews": nil, "is too late for what is known": token.ErrUnavailable})
		if reads != 3 {
			t.Errorf("read %d times, want 3", reads)
		}
	})
}
