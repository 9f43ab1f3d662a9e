// Package conformance judges Doorward with the official suite, @modelcontextprotocol/conformance, at the version that
// testdata/package.json pins. Its tests have the build tag of the same name, because they need built programs and the
// pinned Node: `make conformance` gives them both. docs/conformance.md says what the suite does and what is judged here.
package conformance
