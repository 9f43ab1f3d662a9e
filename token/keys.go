package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-json-experiment/json"
)

// Fetch reads a document; roles pass internal/fetch. fresh is when it must be read again; the zero time: not said.
type Fetch func(ctx context.Context, url string) (body []byte, fresh time.Time, err error)

// Keys finds the key that a token names at now. An empty kid is the key without a name, or the only key that there is.
// ErrNoKey: the issuer has no such key, or several when none is named. ErrUnavailable: nobody knows.
type Keys func(ctx context.Context, now time.Time, kid string) (jose.JSONWebKey, error)

// What Keys answers besides a key.
var (
	ErrNoKey       = errors.New("the issuer has no such key")
	ErrUnavailable = errors.New("the issuer's keys cannot be read")
)

const fixedMost = 20 // keys in a set that somebody hands in

// FixedKeys are the keys of a JWKS text (RFC 7517 §5), as a client registers them. It is strict, because whoever hands it in is
// there to mend it: a private or symmetric key, two keys of one name, a key without a name beside others, no key that
// signs with one of Algorithms, or more than 20 keys are errors, whose texts may be shown.
func FixedKeys(jwks []byte) (Keys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := strict.Unmarshal(jwks, &set); err != nil {
		return nil, errors.New("the key set is not a JSON object with keys")
	}
	if len(set.Keys) > fixedMost {
		return nil, fmt.Errorf("the key set has more than %d keys", fixedMost)
	}
	all := keySet{}
	for _, text := range set.Keys {
		k, err := publicKey(text)
		if err != nil {
			return nil, err
		}
		if !usable(k) {
			continue
		}
		if _, twice := all[k.KeyID]; twice {
			return nil, fmt.Errorf("the key set has two keys with the kid %q", k.KeyID)
		}
		all[k.KeyID] = k
	}
	if _, nameless := all[""]; nameless && len(all) > 1 {
		return nil, errors.New("a key without kid must be the only one of its set")
	}
	if len(all) == 0 {
		return nil, errors.New("the key set has no key that can verify a signature here")
	}
	return func(_ context.Context, _ time.Time, kid string) (jose.JSONWebKey, error) {
		k, ok := all.find(kid)
		if !ok {
			return k, ErrNoKey
		}
		return k, nil
	}, nil
}

// publicKey reads one key. A kind of key that go-jose does not know comes back as a key that nothing fits.
func publicKey(text json.RawMessage) (k jose.JSONWebKey, err error) {
	var members map[string]json.RawMessage
	if err := strict.Unmarshal(text, &members); err != nil {
		return k, errors.New("the key set has a key that is no JSON object")
	}
	if private(members) {
		return k, errors.New("the key set has a private or symmetric key: it is known now, so stop using it")
	}
	if json.Unmarshal(text, &k) != nil {
		return jose.JSONWebKey{}, nil
	}
	return k, nil
}

// keySet is a set of public keys. :: kid → key; a key without kid stands under the empty one.
type keySet map[string]jose.JSONWebKey

// find is the key of a name. RFC 7515 §4.1.4: kid is a hint, so that a set of one nameless key needs none to agree.
func (s keySet) find(kid string) (jose.JSONWebKey, bool) {
	if k, ok := s[kid]; ok {
		return k, true
	}
	if len(s) == 1 {
		for _, k := range s {
			return k, kid == "" || k.KeyID == ""
		}
	}
	return jose.JSONWebKey{}, false
}
