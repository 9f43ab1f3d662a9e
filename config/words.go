package config

// The words that members have.
const (
	// These must be written where nothing else guards a server, so that nobody leaves it so by accident.
	AuthNoneInsecure = "none-insecure" // the Auth of a server that is open to everybody
	ScopesOnly       = "scopes-only"   // the Policy by which a token's scopes decide, and nothing else

	OwnIssuer = "own" // the name under which a server lists our own authorization server

	// Of Upstream.
	TransportHTTP = "streamable-http"
	TransportSSE  = "sse" // HTTP+SSE of 2024-11-05, to clients of the same
	CallerOff     = "off"

	// Grants of a TokenExchange.
	GrantTokenExchange = "token-exchange"
	GrantJWTBearer     = "jwt-bearer"

	// Of Audit.
	TilesPublic   = "public"  // checkpoints and tiles at the public address: hashes, and how many records there are
	ExportOCSF    = "ocsf"    // OCSF 1.9 as JSON lines, appended to a file or posted as a webhook's
	ExportSyslog  = "syslog"  // RFC 5424
	ExportOTLP    = "otlp"    // OpenTelemetry logs over HTTP
	ExportWebhook = "webhook" // JSON lines by POST
)
