// Package clients signs in to Doorward with MCP clients that we did not write, each with its own OAuth client: the two
// npm SDKs, run by testdata/clients, and the official go-sdk. Servers that we did not write stand behind. Its tests have
// the build tag conformance, because they need built programs and the pinned Node: `make conformance` gives them both.
package clients
