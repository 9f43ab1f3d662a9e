package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// nonceLife is how long a nonce is good.
const nonceLife = 5 * time.Minute

// Nonces makes and knows the nonces of RFC 9449 §8 and §9. It keeps nothing: a nonce is the time with a MAC over it, so
// that every replica with the same key knows it. A nonce says that a proof is fresh, not that it was not used before.
// The zero Nonces knows none.
type Nonces struct{ key [sha256.Size]byte }

// NewNonces takes the key that all replicas of one server share: 32 random bytes, which may serve other purposes too.
// An empty key makes the zero Nonces.
func NewNonces(key []byte) Nonces {
	if len(key) == 0 {
		return Nonces{}
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte("doorward: nonces of DPoP"))
	return Nonces{[sha256.Size]byte(m.Sum(nil))}
}

// Format hides the key, however a Nonces is printed.
func (Nonces) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// Make is a nonce of now. The zero Nonces makes an empty one, which is good nowhere.
func (n Nonces) Make(now time.Time) string {
	if n == (Nonces{}) {
		return ""
	}
	at := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(at, n.mac(at)...))
}

// Good reports whether a nonce was made with the same key and is at most five minutes old, and whether it is stale: over half
// of that, so that an answer should bring a new one.
func (n Nonces) Good(now time.Time, nonce string) (ok, stale bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != 8+16 || n == (Nonces{}) || !hmac.Equal(b[8:], n.mac(b[:8])) {
		return false, false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	if age > nonceLife || age < -Leeway {
		return false, false
	}
	return true, age > nonceLife/2
}

func (n Nonces) mac(at []byte) []byte {
	m := hmac.New(sha256.New, n.key[:])
	m.Write(at)
	return m.Sum(nil)[:16]
}
