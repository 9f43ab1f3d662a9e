package client

import "net/http"

// ReadTokens is the parser of token answers, for its fuzz test: what it takes as the access token.
func ReadTokens(status int, h http.Header, body []byte) (access string, err error) {
	a, err := readTokens(status, h, body)
	return a.access.Reveal(), err
}
