package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	json "github.com/go-json-experiment/json"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// register asks for a client id. RFC 7591 §3.
func (t *Transport) register(ctx context.Context, md oauth.ServerMetadata, redirect string) (registration, error) {
	if md.RegistrationEndpoint == "" {
		return registration{}, fmt.Errorf("%s registers no clients by itself: a client id from its operator is needed", printable(md.Issuer, 300))
	}
	if err := t.net.endpoint(md.RegistrationEndpoint); err != nil {
		return registration{}, fmt.Errorf("registration_endpoint of %s: %w", printable(md.Issuer, 300), err)
	}
	want := oauth.ClientMetadata{
		Name:            t.o.Name,
		RedirectURIs:    []string{redirect},
		TokenAuthMethod: askMethod(md),
		// MCP 2026-07-28, Refresh Tokens: who wants them says so.
		GrantTypes:      []string{"authorization_code", "refresh_token"},
		ResponseTypes:   []string{"code"},
		ApplicationType: "native", // MCP 2026-07-28, Dynamic Client Registration
	}
	answer, err := t.sendRegistration(ctx, md.RegistrationEndpoint, want)
	if err != nil {
		return registration{}, fmt.Errorf("registering at %s: %w", printable(md.Issuer, 300), err)
	}
	r := registration{
		Issuer: md.Issuer, ID: answer.ID, Source: oauth.Dynamic, Secret: token.NewSecret(answer.Secret),
		Method: orElse(answer.Method, pickMethod(md, answer.Secret != "")), Redirect: redirect, fresh: true,
	}
	if answer.SecretExpires > 0 && answer.Secret != "" {
		r.Expires = time.Unix(answer.SecretExpires, 0)
	}
	if !slices.Contains(methods[:], r.Method) || r.Method != methodNone && answer.Secret == "" {
		return registration{}, fmt.Errorf("registering at %s: it wants the token endpoint authentication %q, which this client cannot do", printable(md.Issuer, 300), printable(r.Method, 60))
	}
	if err := t.write(ctx, Key{Issuer: md.Issuer}, r.record()); err != nil {
		return registration{}, fmt.Errorf("keeping the registration at %s: %w", printable(md.Issuer, 300), err)
	}
	return r, nil
}

// askMethod is what to register with: a program on a person's machine keeps no secret if it need not. RFC 8252 §8.4.
func askMethod(md oauth.ServerMetadata) string {
	if len(md.TokenAuthMethods) == 0 || slices.Contains(md.TokenAuthMethods, methodNone) {
		return methodNone
	}
	return pickMethod(md, true)
}

// registrationAnswer is what of RFC 7591 §3.2 this client reads.
type registrationAnswer struct {
	ID            string `json:"client_id"`
	Secret        string `json:"client_secret"`
	SecretExpires int64  `json:"client_secret_expires_at"`
	Method        string `json:"token_endpoint_auth_method"`
	Error         string `json:"error"`
	Description   string `json:"error_description"`
}

func (t *Transport) sendRegistration(ctx context.Context, endpoint string, want oauth.ClientMetadata) (answer registrationAnswer, err error) {
	text, err := json.Marshal(want)
	if err != nil {
		return answer, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(text))
	if err != nil {
		return answer, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := t.net.send(r)
	if err != nil {
		return answer, err
	}
	body, err := readAnswer(resp)
	if err != nil {
		return answer, err
	}
	parsed := json.Unmarshal(body, &answer)
	switch {
	case parsed == nil && answer.Error != "":
		return answer, answerError(answer.Error, answer.Description)
	// RFC 7591 §3.2.1 says 201; servers that answer 200 mean the same.
	case resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK:
		return answer, fmt.Errorf("it answered with status %d", resp.StatusCode)
	case parsed != nil:
		return answer, fmt.Errorf("its answer cannot be read: %s", printable(parsed.Error(), 200))
	case answer.ID == "" || len(answer.ID) > 2048 || printable(answer.ID, 2048) != answer.ID:
		return answer, errors.New("its answer has no usable client_id")
	}
	return answer, nil
}
