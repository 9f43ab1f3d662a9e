package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/token"
)

// published is a key set at an address, and how often it was read.
type published struct {
	set  any
	err  error
	read int
}

func (p *published) fetch(context.Context, string) ([]byte, time.Time, error) {
	p.read++
	b, err := json.Marshal(p.set)
	return b, time.Time{}, errors.Join(p.err, err)
}

func TestAKeySetIsReadAsOftenAsNeeded(t *testing.T) {
	k, next := key(t), key(t)
	p := &published{set: ring(t, k).Public(noon)}
	s := token.NewSet("https://as.example/jwks", p.fetch)
	ask := func(after time.Duration, kid string, want error, reads int) {
		t.Helper()
		if _, err := s.Key(t.Context(), noon.Add(after), kid); !errors.Is(err, want) {
			t.Errorf("after %s: %v, want %v", after, err, want)
		}
		if p.read != reads {
			t.Errorf("after %s it was read %d times, want %d", after, p.read, reads)
		}
	}
	ask(0, k.ID, nil, 1)
	ask(time.Minute, k.ID, nil, 1)
	// A stranger who makes up names makes us ask, but not for each.
	for n := range 1000 {
		ask(time.Minute+time.Duration(n)*time.Millisecond, "made up", token.ErrNoKey, 2)
	}
	p.set = ring(t, k, next).Public(noon)
	ask(70*time.Second, next.ID, nil, 3)
	// What is known serves while the address does not answer, for an hour.
	p.err = errors.New("unreachable")
	ask(11*time.Minute+10*time.Second, k.ID, nil, 4)
	ask(11*time.Minute+15*time.Second, k.ID, nil, 4)
	ask(61*time.Minute, k.ID, nil, 5)
	ask(70*time.Second+time.Hour, k.ID, token.ErrUnavailable, 6)
	// A key that was taken away is gone at the next reading.
	p.err, p.set = nil, ring(t, next).Public(noon)
	ask(3*time.Hour, k.ID, token.ErrNoKey, 7)
	ask(3*time.Hour, next.ID, nil, 7)
}

// RFC 7517 §4.2: keys for encryption, symmetric or private are no keys to verify with.
func TestKeysThatVerifyNothing(t *testing.T) {
	k := key(t)
	for name, bad := range map[string]jose.JSONWebKey{
		"for encryption": {Key: k.Private.Public(), KeyID: "x", Use: "enc"},
		"symmetric":      {Key: []byte("secret"), KeyID: "x"}, "private": {Key: k.Private, KeyID: "x"},
	} {
		p := &published{set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{bad}}}
		if _, err := token.NewSet("u", p.fetch).Key(t.Context(), noon, bad.KeyID); !errors.Is(err, token.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := &published{set: "no set"}
	if _, err := token.NewSet("u", p.fetch).Key(t.Context(), noon, "x"); !errors.Is(err, token.ErrUnavailable) {
		t.Errorf("no JSON of keys: %v", err)
	}
}
