package token

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/oauth"
)

const (
	proofSize = 8 << 10         // bytes
	proofLife = 5 * time.Minute // how far iat may lie from now, either way
	proofID   = 256             // bytes of jti
)

// Proof is what came to prove possession of a key, and what it must name.
type Proof struct {
	Headers     []string // the values of DPoP
	Method, URL string   // what htm and htu must name: the method, and the public address without query
}

// Possession is a proof that is good. It was not looked up whether it has been used before: whoever takes it keeps Key
// and ID together until Until, and takes them once.
type Possession struct {
	Key    string    // RFC 7638 thumbprint, as in cnf
	ID     string    // jti
	Nonce  string    // empty: none; whether it is good is for Nonces to say
	Issued time.Time // iat
	Until  time.Time // when the proof is good no more, so that its ID may be forgotten
}

// proofClaims are the claims of a proof; others may stand beside them. RFC 9449 §4.2.
type proofClaims struct {
	ID     string  `json:"jti"`
	Method string  `json:"htm"`
	URL    string  `json:"htu"`
	Issued seconds `json:"iat"`
	Access string  `json:"ath"`
	Nonce  string  `json:"nonce"`
}

// ReadProof makes the checks of RFC 9449 §4.3 but for items 10 and 12b: nonce and cnf are the caller's to compare. access is the
// token whose hash ath must be; empty: no token is presented with the proof. No header at all is an error too: the
// caller knows whether one is needed. The error is an *oauth.Error with status 400, code invalid_dpop_proof and a reason
// for each check; a resource server answers it with 401.
func ReadProof(now time.Time, p Proof, access string) (Possession, error) {
	raw, err := p.one()
	if err != nil {
		return Possession{}, err
	}
	var claims proofClaims
	h, err := split(raw, &claims)
	if err != nil {
		return Possession{}, badProof("malformed", "the proof is not a JWT")
	}
	key, err := h.proved(raw)
	if err != nil {
		return Possession{}, err
	}
	if err := claims.check(now, p, access); err != nil {
		return Possession{}, err
	}
	print, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return Possession{}, badProof("key", "the key of the proof has no thumbprint")
	}
	issued := claims.Issued.time()
	return Possession{base64.RawURLEncoding.EncodeToString(print), claims.ID, claims.Nonce, issued, issued.Add(proofLife + time.Second)}, nil
}

// one is the one value. RFC 9449 §4.3 item 1.
func (p Proof) one() (string, error) {
	switch {
	case len(p.Headers) == 0:
		return "", badProof("no_proof", "the request has no DPoP header")
	case len(p.Headers) > 1:
		return "", badProof("several", "the request has more than one DPoP header")
	case len(p.Headers[0]) > proofSize:
		return "", badProof("too_long", "the proof is longer than 8 KiB")
	}
	return p.Headers[0], nil
}

// proved is the key of the header, with which the signature is good. RFC 9449 §4.3 items 4 to 7.
func (h header) proved(raw string) (*jose.JSONWebKey, error) {
	switch {
	case h.Type != "dpop+jwt":
		return nil, badProof("type", "the typ of the proof is not dpop+jwt")
	case !known(h.Algorithm):
		return nil, badProof("algorithm", "the proof is not signed with one of "+strings.Join(Algorithms(), ", "))
	case h.Critical != nil:
		return nil, badProof("critical", "the proof demands an extension that is not known here")
	case h.JWK == nil:
		return nil, badProof("no_key", "the proof names no key")
	case private(h.JWK):
		return nil, badProof("private_key", "the proof shows a private or shared key: stop using it")
	}
	signed, err := jose.ParseSignedCompact(raw, algorithms())
	if err != nil {
		return nil, badProof("malformed", "the proof is not a JWT")
	}
	key := signed.Signatures[0].Protected.JSONWebKey
	if key == nil || !fits(h.Algorithm, *key) {
		return nil, badProof("key", "the key of the proof does not fit its algorithm, or is an RSA key of less than 2048 bits")
	}
	if _, err := signed.Verify(key); err != nil {
		return nil, badProof("signature", "the signature of the proof is wrong")
	}
	return key, nil
}

// check is RFC 9449 §4.3 items 3, 8, 9, 11 and 12a.
func (c proofClaims) check(now time.Time, p Proof, access string) error {
	issued := c.Issued.time()
	switch {
	case c.ID == "" || len(c.ID) > proofID:
		return badProof("jti", "the proof has no jti of 1 to 256 bytes")
	case c.Method != p.Method:
		return badProof("htm", "the proof is for another method")
	case !sameAddress(c.URL, p.URL):
		return badProof("htu", "the proof is for another address")
	case c.Issued == 0 || now.Sub(issued) > proofLife:
		return badProof("too_old", "the proof is older than five minutes")
	case issued.Sub(now) > proofLife:
		return badProof("not_yet", "the proof is not good yet; is a clock wrong?")
	}
	if access == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(access))
	if subtle.ConstantTimeCompare([]byte(c.Access), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) != 1 {
		return badProof("ath", "the proof is for another access token")
	}
	return nil
}

// sameAddress compares htu with the address of the request without query and fragment, after the normalization of
// RFC 3986 §6.2.2 and §6.2.3 but for dot segments: a path with them is no path of ours.
func sameAddress(said, own string) bool {
	a, ok := plainAddress(said)
	b, fine := plainAddress(own)
	return ok && fine && a == b
}

func plainAddress(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	return scheme + "://" + strings.TrimSuffix(host, ":") + plainPath(u.EscapedPath()), true
}

// plainPath writes escapes in upper case and unreserved characters without one. RFC 3986 §6.2.2.1, §6.2.2.2.
func plainPath(path string) string {
	if path == "" {
		return "/"
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		one, err := url.PathUnescape(path[i : i+3])
		if err == nil && len(one) == 1 && unreserved(one[0]) {
			b.WriteString(one)
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func badProof(reason, description string) *oauth.Error {
	return &oauth.Error{Status: 400, Code: "invalid_dpop_proof", Reason: reason, Description: description}
}
