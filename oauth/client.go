package oauth

import "time"

// Client is a registered client, whoever registered it: one value, three sources.
type Client struct {
	ID     string
	Source Source
	ClientMetadata
	SecretHash [32]byte  // SHA-256 of the secret; the zero hash: a public client
	Issued     time.Time // when it was registered, or its document read
}

// Source is where a Client came from. The zero Source is a stranger and may do nothing.
type Source int

const (
	Unknown  Source = iota
	Listed          // by the operator
	Dynamic         // by itself, RFC 7591
	Document        // by a client ID metadata document
)

// String is the source as logs and pages name it.
func (s Source) String() string {
	return [...]string{"unknown", "listed", "dynamic", "document"}[s]
}

// Public reports whether the client has no way to authenticate.
func (c Client) Public() bool { return c.TokenAuthMethod == "none" }

// DisplayName is the name that pages show: what the client calls itself, else its id.
func (c Client) DisplayName() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}
