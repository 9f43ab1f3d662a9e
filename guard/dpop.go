package guard

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// DPoP is how proofs of possession are taken. RFC 9449. Its zero value takes bound tokens with a proof and bearer tokens
// without one, and keeps replays out within this process.
type DPoP struct {
	// Once marks a proof as used, until a time from which on it is refused anyway, and reports whether it was new. It is asked
	// once for each call with a bound token, after everything else about the token is found good. nil: this process's
	// memory, bounded by Memory. Several replicas must share one, or a proof is good once at each of them; that is one
	// shared insert for each call.
	Once func(ctx context.Context, now time.Time, kind, id string, until time.Time) (fresh bool, err error)
	// Nonces makes the nonces that NonceRequired asks for; the zero Nonces: with a key of this process alone, so that
	// another replica asks again.
	Nonces        token.Nonces
	Memory        int  // proofs that this process remembers if Once is nil; zero: 1048576. With more in ten minutes calls are answered 503
	Required      bool // bearer tokens are refused
	NonceRequired bool // a proof must carry a nonce of ours, RFC 9449 §9: one made in advance is worth nothing
}

const proofKind = "dpop"

// withDefaults fills in what a single process can do alone.
func (d DPoP) withDefaults() DPoP {
	if d.Memory == 0 {
		d.Memory = 1 << 20
	}
	if d.Once == nil {
		d.Once = (&memory{most: d.Memory, used: map[int64]map[[16]byte]struct{}{}}).once
	}
	if d.Nonces == (token.Nonces{}) {
		key := make([]byte, 32)
		rand.Read(key)
		d.Nonces = token.NewNonces(key)
	}
	return d
}

// prove reads the proof that came with a token. The address that it must name is the public one with the path that was
// asked for: what a proxy before us rewrote, no client can sign.
func (g *Guard) prove(r *http.Request, now time.Time, raw string) (token.Possession, error) {
	p, err := token.ReadProof(now, token.Proof{Headers: r.Header.Values("DPoP"), Method: r.Method, URL: oauth.Origin(g.resource(r)) + r.URL.EscapedPath()}, raw)
	var known *oauth.Error
	if errors.As(err, &known) {
		answer := *known
		answer.Status = http.StatusUnauthorized // RFC 9449 §7.1
		return p, &answer
	}
	if err != nil || !g.c.DPoP.NonceRequired {
		return p, err
	}
	// RFC 9449 §9: the answer brings the nonce to use.
	if ok, _ := g.c.DPoP.Nonces.Good(now, p.Nonce); !ok {
		return p, &oauth.Error{Status: http.StatusUnauthorized, Code: useNonce, Reason: "nonce", Description: "the proof must carry the nonce of the DPoP-Nonce header"}
	}
	return p, nil
}

const useNonce = "use_dpop_nonce"

// once takes a proof one time. RFC 9449 §11.1.
func (g *Guard) once(ctx context.Context, now time.Time, p token.Possession) error {
	fresh, err := g.c.DPoP.Once(ctx, now, proofKind, p.Key+" "+p.ID, p.Until)
	if err != nil {
		return fmt.Errorf("marking a proof as used: %w", err)
	}
	if !fresh {
		return &oauth.Error{Status: http.StatusUnauthorized, Code: "invalid_dpop_proof", Reason: "replayed", Description: "the proof has been used before: each call needs one of its own"}
	}
	return nil
}

// nextNonce is the nonce that the answer to a good call brings: none unless the one that was used grows old. RFC 9449 §8.2.
func (g *Guard) nextNonce(now time.Time, p token.Possession) string {
	if _, stale := g.c.DPoP.Nonces.Good(now, p.Nonce); stale {
		return g.c.DPoP.Nonces.Make(now)
	}
	return ""
}

// memory is a Once of this process.
type memory struct {
	most int

	mu   sync.Mutex                      // guards all below
	used map[int64]map[[16]byte]struct{} // :: minute in which they may be forgotten → hashes of what was used
	n    int
}

func (m *memory) once(_ context.Context, now time.Time, kind, id string, until time.Time) (bool, error) {
	sum := sha256.Sum256([]byte(kind + "\x00" + id))
	key := [16]byte(sum[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	for minute, some := range m.used {
		if minute*60 <= now.Unix() {
			delete(m.used, minute)
			m.n -= len(some)
			continue
		}
		if _, twice := some[key]; twice {
			return false, nil
		}
	}
	if m.n >= m.most {
		return false, &oauth.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Reason: "too_many_proofs", RetryAfter: 60, Description: "too many proofs were used in the last minutes to remember one more; try again"}
	}
	minute := until.Unix()/60 + 1
	if m.used[minute] == nil {
		m.used[minute] = map[[16]byte]struct{}{}
	}
	m.used[minute][key] = struct{}{}
	m.n++
	return true, nil
}
