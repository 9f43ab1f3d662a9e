package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-json-experiment/json"
)

const (
	rsaLeast = 2048 // bits, RFC 7518 §3.3
	rsaMost  = 8192 // bits: beyond, a stranger's key costs more to use than it proves
)

// Algorithms are the signatures that proofs of possession and assertions may have, for metadata: asymmetric ones only.
// RFC 9449 §4.3 item 5, RFC 8725 §3.1.
func Algorithms() []string { return []string{"ES256", "ES384", "RS256", "PS256", "EdDSA"} }

func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.RS256, jose.PS256, jose.EdDSA}
}

// header is what of a JOSE header is judged before the signature.
type header struct {
	Type      string                     `json:"typ"`
	Algorithm string                     `json:"alg"`
	Critical  json.RawMessage            `json:"crit"`
	JWK       map[string]json.RawMessage `json:"jwk"`
}

// kind is the typ, in lower case and without the prefix that RFC 7515 §4.1.9 lets a writer leave out.
func (h header) kind() string {
	return strings.TrimPrefix(strings.ToLower(h.Type), "application/")
}

var errMalformed = errors.New("not a JWT")

// split reads header and claims of a compact JWS without looking at its signature. Member names count with their case,
// and none stands twice: two readers must not read two things.
func split(raw string, claims any) (header, error) {
	var h header
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return h, errMalformed
	}
	for i, v := range []any{&h, claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || strict.Unmarshal(b, v) != nil {
			return h, errMalformed
		}
	}
	return h, nil
}

// known reports whether an algorithm is one of Algorithms.
func known(alg string) bool { return slices.Contains(Algorithms(), alg) }

// usable reports whether a key is public and of a kind that one of Algorithms takes.
func usable(k jose.JSONWebKey) bool {
	return slices.ContainsFunc(Algorithms(), func(alg string) bool { return fits(alg, k) })
}

// fits reports whether alg may be verified with k. RFC 7518 §3.4: each ES algorithm has its one curve.
func fits(alg string, k jose.JSONWebKey) bool {
	if !k.Valid() || k.Use == "enc" || k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	switch key := k.Key.(type) {
	case *ecdsa.PublicKey:
		return alg == "ES256" && key.Curve == elliptic.P256() || alg == "ES384" && key.Curve == elliptic.P384()
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return (alg == "RS256" || alg == "PS256") && bits >= rsaLeast && bits <= rsaMost
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// private reports whether a JWK holds a member that only its owner may see. RFC 7518 §6.2.2, §6.3.2, §6.4.
func private(jwk map[string]json.RawMessage) bool {
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, ok := jwk[name]; ok {
			return true
		}
	}
	return string(jwk["kty"]) == `"oct"`
}
