package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/doorward-mcp/doorward/token"
)

// The cost of a password hash: of OWASP's equal choices for Argon2id the one that a small machine can afford, 19 MiB, two
// passes, one lane.
const (
	memory  = 19 << 10 // KiB
	passes  = 2
	lanes   = 1
	keySize = 32
)

// maxPassword bounds what is hashed.
const maxPassword = 1024

// NewPassword is a password to hand out: 100 random bits in groups that can be typed.
func NewPassword() token.Secret {
	text := strings.ToLower(rand.Text())[:20]
	return token.NewSecret(text[:5] + "-" + text[5:10] + "-" + text[10:15] + "-" + text[15:])
}

// HashPassword is the PHC form of a password's Argon2id hash, with a fresh salt.
func HashPassword(pw token.Secret) string {
	salt := make([]byte, 16)
	rand.Read(salt)
	key := argon2.IDKey([]byte(pw.Reveal()), salt, passes, memory, lanes, keySize)
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, lanes, enc(salt), enc(key))
}

// verifyPassword reports whether pw has hash, whatever cost it was made with.
func verifyPassword(hash string, pw token.Secret) bool {
	var version int
	var m, t uint32
	var p uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &p); err != nil || t == 0 || p == 0 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) < 16 {
		return false
	}
	return subtle.ConstantTimeCompare(argon2.IDKey([]byte(pw.Reveal()), salt, t, m, p, uint32(len(want))), want) == 1
}

// nobody is hashed against when there is no such person, so that a name's existence cannot be timed.
var nobody = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", argon2.Version, memory, passes, lanes)

// enter waits for a place to hash: each hash takes 19 MiB, and a flood of sign-ins must not take the machine.
func (l *Login) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.hashing <- struct{}{}:
		return func() { <-l.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// checks is verifyPassword, as slow for nobody's hash as for somebody's.
func checks(hash string, pw token.Secret) bool {
	if hash == "" {
		hash = nobody
	}
	return len(pw.Reveal()) <= maxPassword && verifyPassword(hash, pw)
}
