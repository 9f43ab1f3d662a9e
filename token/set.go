package token

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
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

	mu      sync.Mutex // guards all below; nobody holds it while reading
	keys    keySet
	read    time.Time     // when keys were read
	tried   time.Time     // when they were last asked for
	reading chan struct{} // closed when the reading that goes on is over; nil: none goes on
}

// NewSet reads nothing yet.
func NewSet(url string, fetch Fetch) *Set { return &Set{url: url, fetch: fetch} }

// Key is a Keys. One reading goes on at a time. Whoever began it, or needs a key that is not known, waits for it; whoever
// needs a known key goes on.
func (s *Set) Key(ctx context.Context, now time.Time, kid string) (jose.JSONWebKey, error) {
	if over := s.renew(ctx, now, kid); over != nil {
		select {
		case <-over:
		case <-ctx.Done(): // what is known may do
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, known := s.keys.find(kid)
	switch {
	case now.Sub(s.read) >= keysStale:
		return jose.JSONWebKey{}, fmt.Errorf("%w: %s", ErrUnavailable, s.url)
	case !known && ctx.Err() != nil:
		return jose.JSONWebKey{}, fmt.Errorf("%w: %s: %w", ErrUnavailable, s.url, ctx.Err())
	case !known:
		return jose.JSONWebKey{}, ErrNoKey
	}
	return key, nil
}

// renew begins a reading if one is due. It answers the end of the reading for which the caller must wait, nil for none.
func (s *Set) renew(ctx context.Context, now time.Time, kid string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.keys.find(kid)
	age := now.Sub(s.read)
	if s.reading != nil {
		if known && age < keysStale {
			return nil
		}
		return s.reading
	}
	if known && age < keysKept || now.Sub(s.tried) < keysAgain {
		return nil
	}
	over := make(chan struct{})
	s.tried, s.reading = now, over
	// A caller who goes away must not end a reading for which others wait, or that others could not begin again at once.
	go s.load(context.WithoutCancel(ctx), now, over)
	return over
}

func (s *Set) load(ctx context.Context, now time.Time, over chan struct{}) {
	keys, err := s.get(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.keys, s.read = keys, now
	}
	s.reading = nil
	close(over)
}

func (s *Set) get(ctx context.Context) (keySet, error) {
	body, _, err := s.fetch(ctx, s.url)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("reading key set %s: %w", s.url, err)
	}
	keys, nameless := keySet{}, 0
	for _, text := range set.Keys {
		var k jose.JSONWebKey
		// RFC 7517 §5: a key of a kind that is not understood is passed over, the others count.
		// §4.2: a key for encryption signs nothing. A symmetric or private key in a public set is a mistake.
		if json.Unmarshal(text, &k) != nil || k.Use == "enc" || !k.IsPublic() || !k.Valid() {
			continue
		}
		if k.KeyID == "" {
			nameless++
		}
		keys[k.KeyID] = k
	}
	if nameless > 1 { // which one a token means, nobody knows
		delete(keys, "")
	}
	return keys, nil
}
