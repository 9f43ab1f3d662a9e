package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// NewVerifier is a fresh code verifier of 256 random bits. RFC 7636 §4.1.
func NewVerifier() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// S256 is the challenge of a verifier. RFC 7636 §4.2: BASE64URL-ENCODE(SHA256(ASCII(code_verifier))).
func S256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ValidChallenge reports whether s can be an S256 challenge: 43 characters of base64url that decode to 32 bytes.
func ValidChallenge(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// validVerifier reports whether s is a code verifier. RFC 7636 §4.1: 43 to 128 unreserved characters.
func validVerifier(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if !unreserved(s[i]) {
			return false
		}
	}
	return true
}

// Verifies reports whether verifier belongs to challenge. It takes the same time for every wrong verifier.
func Verifies(verifier, challenge string) bool {
	return validVerifier(verifier) && subtle.ConstantTimeCompare([]byte(S256(verifier)), []byte(challenge)) == 1
}

// unreserved is the set of RFC 3986 §2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
