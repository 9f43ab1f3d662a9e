package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Key is one of our own signing keys: ES256.
type Key struct {
	ID      string // RFC 7638 thumbprint
	Private *ecdsa.PrivateKey
	Shown   time.Time // in the published set from here on
	Used    time.Time // signs from here on, unless a later one does
	Until   time.Time // in the published set until here; zero: no end yet
}

// NewKey makes a key that is shown from now on and signs from used on.
func NewKey(now, used time.Time) (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("generating a signing key: %w", err)
	}
	print, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, fmt.Errorf("naming a signing key: %w", err)
	}
	return Key{ID: base64.RawURLEncoding.EncodeToString(print), Private: private, Shown: now, Used: used}, nil
}

// Ring is our own keys: one signs, the others are shown. It does not change; a new key is a new Ring.
type Ring struct {
	issuer string
	keys   []ringKey
}

type ringKey struct {
	Key
	signers map[string]jose.Signer // :: typ → signer
}

// NewRing makes the ring of an issuer. The order of keys does not matter.
func NewRing(issuer string, keys []Key) (*Ring, error) {
	r := &Ring{issuer: issuer}
	for _, k := range keys {
		rk := ringKey{k, map[string]jose.Signer{}}
		for _, typ := range []string{TypAccess, TypCaller, TypIdentity} {
			s, err := jose.NewSigner(
				jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: k.Private, KeyID: k.ID}},
				(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
			if err != nil {
				return nil, fmt.Errorf("making a signer of key %s: %w", k.ID, err)
			}
			rk.signers[typ] = s
		}
		r.keys = append(r.keys, rk)
	}
	return r, nil
}

// signing is the key that signs at now: of those in use the one that was taken into use last.
func (r *Ring) signing(now time.Time) (ringKey, bool) {
	var best ringKey
	for _, k := range r.keys {
		if !k.Used.After(now) && k.shown(now) && (best.Private == nil || k.Used.After(best.Used)) {
			best = k
		}
	}
	return best, best.Private != nil
}

func (k Key) shown(now time.Time) bool {
	return !k.Shown.After(now) && (k.Until.IsZero() || now.Before(k.Until))
}

// Public is the key set to publish at now.
func (r *Ring) Public(now time.Time) jose.JSONWebKeySet {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range r.keys {
		if k.shown(now) {
			set.Keys = append(set.Keys, k.public())
		}
	}
	return set
}

func (k ringKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Algorithm: string(jose.ES256), Use: "sig"}
}

// Own are the keys of a ring that may be replaced, for verifying what it minted without asking over the network.
func Own(ring func() *Ring) Keys {
	return func(_ context.Context, now time.Time, kid string) (jose.JSONWebKey, error) {
		if r := ring(); r != nil {
			for _, k := range r.keys {
				if k.ID == kid && k.shown(now) {
					return k.public(), nil
				}
			}
		}
		return jose.JSONWebKey{}, ErrNoKey
	}
}

// Since is when the key that signs at now was taken into use; ok is false if none signs.
func (r *Ring) Since(now time.Time) (since time.Time, ok bool) {
	k, ok := r.signing(now)
	return k.Used, ok
}
