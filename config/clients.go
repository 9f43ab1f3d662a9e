package config

// Clients are the clients that the operator lists.
type Clients struct {
	// Default is the id of a listed public client with which /register answers every caller. Empty: a client gets its own.
	Default string   `yaml:"default"`
	Listed  []Client `yaml:"listed"`
}

// Client is one listed client. The members that RFC 7591 §2 has bear its names.
type Client struct {
	ID           string   `yaml:"client_id"`
	Name         string   `yaml:"client_name"`
	RedirectURIs []string `yaml:"redirect_uris"`
	GrantTypes   []string `yaml:"grant_types"` // empty: authorization_code and refresh_token
	// AuthMethod empty: what its credentials are for, and none without credentials.
	AuthMethod string    `yaml:"token_endpoint_auth_method"`
	Secret     Secret    `yaml:"secret"`
	JWKSURI    string    `yaml:"jwks_uri"`
	JWKSFile   string    `yaml:"jwks_file"` // a key set as RFC 7517 §5 has it
	Scope      string    `yaml:"scope"`     // empty: what the servers have
	Serves     []string  `yaml:"serves"`    // names of the servers that it is itself: it introspects and exchanges their tokens
	Reaches    []string  `yaml:"reaches"`   // names of the servers that it may get tokens for without a person at a browser
	Evaluates  bool      `yaml:"evaluates"` // it may ask what the rules allow to whom
	Workload   *Workload `yaml:"workload"`  // nil: it is none
	DPoPBound  bool      `yaml:"dpop_bound_access_tokens"`
	LogoutURIs []string  `yaml:"post_logout_redirect_uris"`
}

// Workload is a program that authenticates with an assertion of its platform. RFC 7523 §2.1.
type Workload struct {
	Issuer  string            `yaml:"issuer"` // one of the assertion issuers of kind workload
	Subject string            `yaml:"subject"`
	Claims  map[string]string `yaml:"claims"` // :: claim → the value that it must have besides
}

// AssertionIssuer is somebody whose signed word is taken. RFC 7523.
type AssertionIssuer struct {
	Issuer   string `yaml:"issuer"`
	Kind     string `yaml:"kind"`     // workload: which program this is; identity: which person, as an ID-JAG
	JWKSURI  string `yaml:"jwks_uri"` // empty: what the issuer's metadata says
	Audience string `yaml:"audience"` // taken besides the issuer and the token endpoint; empty: nothing is
}

// The ways in which a listed client may authenticate, and the grants that it may use.
const (
	methodNone  = "none"
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodKey   = "private_key_jwt"

	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantMachine  = "client_credentials"
	grantJWT      = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// Method is how the client authenticates: as it says, else with what it has.
func (c Client) Method() string {
	switch {
	case c.AuthMethod != "":
		return c.AuthMethod
	case c.Secret != "":
		return methodBasic
	case c.JWKSURI != "" || c.JWKSFile != "":
		return methodKey
	}
	return methodNone
}

// Grants are the grant types that the client may use.
func (c Client) Grants() []string {
	if len(c.GrantTypes) == 0 {
		return []string{grantCode, grantRefresh}
	}
	return c.GrantTypes
}

// public reports whether the client has no way to authenticate.
func (c Client) public() bool { return c.Method() == methodNone && c.Workload == nil }
