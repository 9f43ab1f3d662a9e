package guard

import (
	"net/url"

	"github.com/doorward-mcp/doorward/internal/fetch"
	"github.com/doorward-mcp/doorward/provider"
	"github.com/doorward-mcp/doorward/token"
)

// Issuer is an installation of Doorward, by the address that its metadata names as issuer, whose tokens for any of audiences are
// taken: mostly one, the resource's own identifier. Its keys are read when the first token comes.
//
// Its tokens are taken at their word about delegation, tasks and grants, which only Doorward's are. Any other authorization
// server is made with provider.Profile's Issuer, whose Rule says what is an access token there, and Keys.
func Issuer(address string, audiences ...string) token.Issuer {
	return token.Issuer{URL: address, Keys: Keys(address), Audiences: audiences}
}

// Keys are the keys of any issuer, found through its metadata and read anew when they change. The address is the developer's
// own word, never one that a token or a document names: its host may be on a private network, and on loopback it may be http.
// Anything else must be https. While the keys cannot be read, tokens that they would verify are answered 503.
func Keys(issuer string) token.Keys {
	client := &fetch.Client{}
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		client.Hosts = []string{u.Host}
	}
	return token.NewSet(issuer, provider.Discover(client.From(issuer).Get)).Key
}
