// Package behaviour has clients of our own, written against the RFCs and the extensions of MCP and against nothing of
// Doorward: for client credentials, enterprise-managed authorization, DPoP, workload identity and the code flow, one that
// behaves, which comes from a 401 to an answer of the server, and many that misbehave in one thing each, which are refused
// for that and for nothing else. The identity provider and the platform that vouch for clients run in the tests. The tests
// have the build tag conformance, because they need the built program: `make conformance` gives it to them.
package behaviour
