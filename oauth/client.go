package oauth

import (
	"slices"
	"time"
)

// Client is a registered client, whoever registered it: one value, three sources.
type Client struct {
	ID     string
	Source Source
	ClientMetadata
	SecretHash [32]byte  // SHA-256 of the secret; the zero hash: it has none
	Issued     time.Time // when it was registered, or its document read
	Waits      bool      // for an administrator: it may do nothing yet

	// What the operator alone gives (rule 14); empty for a client that is not Listed. Resources are configured strings.
	Serves  []string // the resources that it is itself: it introspects their tokens, and exchanges those that callers bring
	Reaches []string // the resources that it may get tokens for without a person at a browser, or on somebody's behalf
	// The workload that it is, if an assertion of a configured issuer is what it authenticates with. RFC 7523 §2.1.
	WorkloadIssuer, WorkloadSubject string
	WorkloadClaims                  map[string]string // :: claim → the value that it must have besides
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
func (c Client) Public() bool { return c.TokenAuthMethod == "none" && c.WorkloadIssuer == "" }

// May reports whether the client registered for a grant type. RFC 7591 §2: one that names none has authorization_code.
func (c Client) May(grantType string) bool {
	if len(c.GrantTypes) == 0 {
		return grantType == "authorization_code" || grantType == "refresh_token"
	}
	return slices.Contains(c.GrantTypes, grantType)
}

// DisplayName is the name that pages show: what the client calls itself, else its id.
func (c Client) DisplayName() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}
