// Package doorward is one running installation: it builds every part from a config.Config and joins them under one origin.
//
//	open.go     store, keys, roles, servers: the wiring, from top to bottom
//	routes.go   CORS, the list of addresses, Host: what happens before a request reaches a part
//	spellings.go  the names under which a loopback listener is known
//	upstream.go   what stands behind a server
//	policy.go     what decides there; facts.go what is known of callers, definitions.go of what servers offer, evaluations.go
//	              who may ask what is decided
//
// The tree: oauth, mcp are words; token, seal, internal/fetch are trust; grant, policy, audit judge; client, guard,
// authserver, registration, login, stdio are roles, which meet on the wire and in the store; gateway, admin, demo compose
// them; web, store, config present, persist and describe. layers_test.go holds all of that.
//
// The path of one request to a server:
//
//	HTTP ─► Host, CORS ─► route ─► guard.Admit: Origin, token, message, decisions ─► audit intent
//	     ─► upstream credential ─► upstream, streamed ─► audit outcome ─► the final event is released
package doorward
