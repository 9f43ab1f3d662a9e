package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Fetch reads a document; roles pass internal/fetch. fresh is when it must be read again; the zero time: not said.
type Fetch func(ctx context.Context, url string) (body []byte, fresh time.Time, err error)

// Keys finds the key that a token names at now. ErrNoKey: the issuer has no such key. ErrUnavailable: nobody knows.
type Keys func(ctx context.Context, now time.Time, kid string) (jose.JSONWebKey, error)

// What Keys answers besides a key.
var (
	ErrNoKey       = errors.New("the issuer has no such key")
	ErrUnavailable = errors.New("the issuer's keys cannot be read")
)

const (
	keysKept  = 10 * time.Minute // how long a set is taken as it is
	keysAgain = 10 * time.Second // how soon a set is read again for a key that it lacks, or after a failure
	keysStale = time.Hour        // how long a set serves while its address does not answer
)

// Set is somebody else's keys at an address, kept and renewed. It is safe for concurrent use.
type Set struct {
	url   string
	fetch Fetch

	mu    sync.Mutex // guards all below, and is held while reading: one reader is enough
	keys  map[string]jose.JSONWebKey
	read  time.Time // when keys were read
	tried time.Time // when they were last asked for
}

// NewSet reads nothing yet.
func NewSet(url string, fetch Fetch) *Set { return &Set{url: url, fetch: fetch} }

// Key is a Keys.
func (s *Set) Key(ctx context.Context, now time.Time, kid string) (jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, known := s.keys[kid]
	due := now.Sub(s.read) >= keysKept || !known
	if due && now.Sub(s.tried) >= keysAgain {
		s.tried = now
		if keys, err := s.load(ctx); err == nil {
			s.keys, s.read = keys, now
			key, known = keys[kid]
		}
	}
	switch {
	case now.Sub(s.read) >= keysStale:
		return jose.JSONWebKey{}, fmt.Errorf("%w: %s", ErrUnavailable, s.url)
	case !known:
		return jose.JSONWebKey{}, ErrNoKey
	}
	return key, nil
}

func (s *Set) load(ctx context.Context) (map[string]jose.JSONWebKey, error) {
	body, _, err := s.fetch(ctx, s.url)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("reading key set %s: %w", s.url, err)
	}
	keys := map[string]jose.JSONWebKey{}
	for _, k := range set.Keys {
		// RFC 7517 §4.2: a key for encryption signs nothing. A symmetric or private key in a public set is a mistake.
		if k.KeyID != "" && k.Use != "enc" && k.IsPublic() && k.Valid() {
			keys[k.KeyID] = k
		}
	}
	return keys, nil
}
