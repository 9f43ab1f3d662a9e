package grant

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/doorward-mcp/doorward/token"
)

const (
	prefix   = "dwr_" // so that secret scanners and people recognise it
	idSize   = 16
	bodySize = idSize + 4 + 4
	size     = bodySize + sha256.Size
)

// Refresh is a presented refresh token, who presents it, and what is asked for.
type Refresh struct {
	Client string
	Wanted

	id    string
	epoch uint32
	gen   uint32
	mac   [sha256.Size]byte
}

// ParseRefresh reads a refresh token. ok is false for text that cannot be one of ours; true says nothing of its MAC.
func ParseRefresh(raw token.Secret) (r Refresh, ok bool) {
	text, ok := strings.CutPrefix(raw.Reveal(), prefix)
	if !ok {
		return Refresh{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != size {
		return Refresh{}, false
	}
	return Refresh{
		id:    base64.RawURLEncoding.EncodeToString(b[:idSize]),
		epoch: binary.BigEndian.Uint32(b[idSize:]), gen: binary.BigEndian.Uint32(b[idSize+4:]),
		mac: [sha256.Size]byte(b[bodySize:]),
	}, true
}

// Grant is the id of the grant that the token names.
func (r Refresh) Grant() string { return r.id }

// RefreshToken is the token of the newest generation.
func (g Grant) RefreshToken() token.Secret {
	body := g.body(g.Epoch, g.Generation)
	mac := g.mac(body)
	return token.NewSecret(prefix + base64.RawURLEncoding.EncodeToString(append(body, mac...)))
}

func (g Grant) body(epoch, gen uint32) []byte {
	b := make([]byte, idSize, size)
	if n, err := base64.RawURLEncoding.Decode(b, []byte(g.ID)); err != nil || n != idSize {
		panic("grant: an id that New did not make")
	}
	b = binary.BigEndian.AppendUint32(b, epoch)
	return binary.BigEndian.AppendUint32(b, gen)
}

func (g Grant) mac(body []byte) []byte {
	h := hmac.New(sha256.New, g.Secret)
	h.Write(body)
	return h.Sum(nil)
}

// Genuine reports whether g gave the token, of whatever generation.
func (g Grant) Genuine(r Refresh) bool {
	return g.ID == r.id && hmac.Equal(g.mac(g.body(r.epoch, r.gen)), r.mac[:])
}

// Rotate is the rule of succession; the package comment has it as a table. RFC 9700 §4.14.2.
func (g Grant) Rotate(now time.Time, r Refresh, l Lifetimes) (Grant, Verdict) {
	switch {
	case !g.Genuine(r), g.Client != r.Client, !g.Revoked.IsZero(), g.Redeemed.IsZero():
		return g, Refused
	case r.epoch != g.Epoch, r.gen > g.Generation:
		return g, Alarm
	case g.Key != "" && g.Key != r.Key, g.ended(now), !now.Before(g.IdleUntil), !now.Before(g.Until):
		return g, Refused
	case r.gen < g.Generation:
		return g.repeated(now, r, l)
	}
	if v := g.check(r.Wanted); v != Good {
		return g, v
	}
	g.Generation++
	g.Rotated = now
	if g.IdleUntil = now.Add(l.RefreshIdle); g.IdleUntil.After(g.Until) {
		g.IdleUntil = g.Until
	}
	return g, Good
}

// repeated judges a generation that was used before: an answer that got lost, or a thief.
func (g Grant) repeated(now time.Time, r Refresh, l Lifetimes) (Grant, Verdict) {
	if g.Confidential || now.Sub(g.Rotated) > l.RefreshGrace {
		g.Revoked = now
		return g, Stolen
	}
	if r.gen+1 != g.Generation {
		return g, Refused
	}
	if v := g.check(r.Wanted); v != Good {
		return g, v
	}
	return g, Again
}
