package registration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// sent is what a client says of itself, in a registration or in its document: the metadata, and members that are judged
// and never kept.
type sent struct {
	ID        string          `json:"client_id"`
	Secret    string          `json:"client_secret"`
	Statement string          `json:"software_statement"`
	Methods   []string        `json:"token_endpoint_auth_methods_supported"` // what else it could do: OpenID Connect RP Metadata Choices 1.0
	Token     json.RawMessage `json:"registration_access_token"`
	Address   json.RawMessage `json:"registration_client_uri"`
	IssuedAt  json.RawMessage `json:"client_id_issued_at"`
	ExpiresAt json.RawMessage `json:"client_secret_expires_at"`
	oauth.ClientMetadata
}

// parse reads what a client says of itself. Members that are null were not said.
func parse(body []byte) (s sent, err error) {
	if err := json.Unmarshal(body, &s); err != nil {
		return sent{}, err
	}
	for _, member := range []*json.RawMessage{&s.JWKS, &s.Token, &s.Address, &s.IssuedAt, &s.ExpiresAt} {
		if string(*member) == "null" {
			*member = nil
		}
	}
	return s, nil
}

// The ways to authenticate at the token endpoint.
const (
	none          = "none"
	privateKeyJWT = "private_key_jwt"
)

// choose settles how a client authenticates of what it offers: what it names first if that can be done here, else the
// first of its other choices that can. Keys are what private_key_jwt is worth: without any, the client could do it but
// does not.
func (s *sent) choose(can []string) error {
	keys := len(s.JWKS) > 0 || s.JWKSURI != ""
	offers := append([]string{s.TokenAuthMethod}, s.Methods...)
	for _, m := range offers {
		if !slices.Contains(can, m) || m == privateKeyJWT && !keys {
			continue
		}
		if m != privateKeyJWT {
			s.JWKS, s.JWKSURI, s.TokenAuthAlg = nil, "", ""
		} else if err := s.signs(); err != nil {
			return err
		}
		s.TokenAuthMethod = m
		return nil
	}
	if slices.Contains(offers, privateKeyJWT) && slices.Contains(can, privateKeyJWT) {
		return invalidMetadata("keys", "private_key_jwt needs jwks or jwks_uri")
	}
	return invalidMetadata("method", fmt.Sprintf("token_endpoint_auth_method can be %s", strings.Join(can, ", ")))
}

// signs judges keys and algorithm of a client that signs.
func (s *sent) signs() error {
	if reason := checkKeys(s.JWKS, s.JWKSURI); reason != "" {
		return invalidMetadata("keys", reason)
	}
	if s.TokenAuthAlg != "" && !slices.Contains(token.Algorithms(), s.TokenAuthAlg) {
		return invalidMetadata("algorithm", "token_endpoint_auth_signing_alg can be "+strings.Join(token.Algorithms(), ", "))
	}
	return nil
}

// filterRedirects keeps the redirect addresses that can be used, at most 20, and says why the others cannot. Clients
// send a mixed list, of which they then use one.
func (p Policy) filterRedirects(all []string) (kept, refused []string) {
	for _, u := range all {
		if reason := p.redirect(u); reason != "" {
			if !slices.Contains(refused, reason) {
				refused = append(refused, reason)
			}
		} else if len(kept) < 20 && !slices.Contains(kept, u) {
			kept = append(kept, u)
		}
	}
	if len(all) == 0 {
		refused = []string{"none was sent"}
	}
	return kept, refused
}
