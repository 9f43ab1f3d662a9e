// Package oauth runs OAuth clients that we did not write through every grant and endpoint of `doorward serve --config`:
// npm's oauth4webapi and openid-client, run by testdata/oauth, and golang.org/x/oauth2 with coreos/go-oidc. Its tests have the
// build tag conformance, because they need built programs and the pinned Node: `make conformance` gives them both.
package oauth
