package oauth

import "encoding/json"

// ProtectedResource is the document that says who may issue tokens for a resource. RFC 9728 §2.
type ProtectedResource struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers,omitempty"`
	ScopesSupported      []string `json:"scopes_supported,omitempty"`
	BearerMethods        []string `json:"bearer_methods_supported,omitempty"`
	Name                 string   `json:"resource_name,omitempty"`
	Documentation        string   `json:"resource_documentation,omitempty"`
	DPoPAlgorithms       []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPRequired         bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

// ServerMetadata is the document of an authorization server. RFC 8414 §2 and OpenID Connect Discovery 1.0 §3, with the
// members of RFC 7009, RFC 7591, RFC 7662, RFC 8628, RFC 9126, RFC 9207, RFC 9396, RFC 9449, of RP-initiated logout, of client ID
// metadata documents and of the enterprise-managed extension of MCP.
type ServerMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint,omitempty"`
	TokenEndpoint         string   `json:"token_endpoint,omitempty"`
	JWKSURI               string   `json:"jwks_uri,omitempty"`
	RegistrationEndpoint  string   `json:"registration_endpoint,omitempty"`
	RevocationEndpoint    string   `json:"revocation_endpoint,omitempty"`
	IntrospectionEndpoint string   `json:"introspection_endpoint,omitempty"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint,omitempty"`
	PushedEndpoint        string   `json:"pushed_authorization_request_endpoint,omitempty"`
	UserInfoEndpoint      string   `json:"userinfo_endpoint,omitempty"`
	EndSessionEndpoint    string   `json:"end_session_endpoint,omitempty"`
	ScopesSupported       []string `json:"scopes_supported,omitempty"`
	ResponseTypes         []string `json:"response_types_supported,omitempty"`
	ResponseModes         []string `json:"response_modes_supported,omitempty"`
	GrantTypes            []string `json:"grant_types_supported,omitempty"`
	GrantProfiles         []string `json:"authorization_grant_profiles_supported,omitempty"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	TokenAuthAlgorithms   []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationAuthMethods []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	RevocationAuthAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	IntrospectAuthMethods []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	IntrospectAuthAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported,omitempty"`
	DPoPAlgorithms        []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DetailTypes           []string `json:"authorization_details_types_supported,omitempty"`
	SubjectTypes          []string `json:"subject_types_supported,omitempty"`
	IDTokenAlgorithms     []string `json:"id_token_signing_alg_values_supported,omitempty"`
	ClaimsSupported       []string `json:"claims_supported,omitempty"`
	PromptsSupported      []string `json:"prompt_values_supported,omitempty"`
	ACRValues             []string `json:"acr_values_supported,omitempty"`
	ServiceDocumentation  string   `json:"service_documentation,omitempty"`
	RequestURIs           bool     `json:"request_uri_parameter_supported"` // OpenID Connect Discovery §3: true, if it is left out
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported,omitempty"`
	ClientIDDocuments     bool     `json:"client_id_metadata_document_supported,omitempty"`
}

// ClientMetadata is what a client says of itself, at registration (RFC 7591 §2) and in its client ID metadata
// document. Members that are absent are empty; unknown members are ignored.
type ClientMetadata struct {
	Name            string          `json:"client_name,omitempty"`
	URI             string          `json:"client_uri,omitempty"`
	LogoURI         string          `json:"logo_uri,omitempty"`
	PolicyURI       string          `json:"policy_uri,omitempty"`
	TermsURI        string          `json:"tos_uri,omitempty"`
	RedirectURIs    []string        `json:"redirect_uris,omitempty"`
	TokenAuthMethod string          `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes      []string        `json:"grant_types,omitempty"`
	ResponseTypes   []string        `json:"response_types,omitempty"`
	Scope           string          `json:"scope,omitempty"`
	Contacts        []string        `json:"contacts,omitempty"`
	ApplicationType string          `json:"application_type,omitempty"`
	JWKSURI         string          `json:"jwks_uri,omitempty"`
	JWKS            json.RawMessage `json:"jwks,omitempty"`
	SoftwareID      string          `json:"software_id,omitempty"`
	SoftwareVersion string          `json:"software_version,omitempty"`
	LogoutURIs      []string        `json:"post_logout_redirect_uris,omitempty"`
	TokenAuthAlg    string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	DPoPBound       bool            `json:"dpop_bound_access_tokens,omitempty"`
	DetailTypes     []string        `json:"authorization_details_types,omitempty"`
}
