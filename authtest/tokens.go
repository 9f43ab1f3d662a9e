package authtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// Token is an access token that the server signed. Of s it takes everything but Roles and Claims; an empty Audience is the first
// resource, empty Scopes are those that its 401 asks for, an empty Client is App.
func (s *Server) Token(said Said) string {
	s.t.Helper()
	return s.mint(s.ring(), s.claims(said))
}

// Good is a token of a person through App for the first resource, with scopes, or with those that its 401 asks for.
func (s *Server) Good(scopes ...string) string {
	s.t.Helper()
	return s.Token(Said{Scopes: scopes})
}

// Stale is a good token that has expired.
func (s *Server) Stale() string {
	s.t.Helper()
	return s.Token(Said{Life: -time.Minute})
}

// Stolen is a good token that is bound to the key of whoever it was taken from. RFC 9449: it is of no use as a bearer token, nor
// with a proof by another key.
func (s *Server) Stolen() string {
	s.t.Helper()
	c := s.claims(Said{})
	c.Key = oauth.S256(rand.Text())
	return s.mint(s.ring(), c)
}

// Foreign is a token that is good in every way but that another authorization server issued it, for the same resource.
func (s *Server) Foreign() string {
	s.t.Helper()
	const other = "https://auth.example.com"
	c := s.claims(Said{})
	c.Issuer = other
	return s.mint(s.made(other, ""), c)
}

// Forged is a token that somebody else signed, under the server's name and the name of its key.
func (s *Server) Forged() string {
	s.t.Helper()
	return s.mint(s.made(s.Issuer, s.signing().ID), s.claims(Said{}))
}

// Elsewhere is a good token for another resource of the same server.
func (s *Server) Elsewhere() string {
	s.t.Helper()
	return s.Token(Said{Audience: "https://elsewhere.example.com/mcp"})
}

// Weak is a good token with a scope that opens nothing.
func (s *Server) Weak() string {
	s.t.Helper()
	return s.Token(Said{Scopes: []string{"nothing"}})
}

// Revoked is a good token that App has taken back, RFC 7009. Only who asks the server learns of it: AskedAt.
func (s *Server) Revoked() string {
	s.t.Helper()
	raw := s.Good()
	s.Revoke(raw)
	return raw
}

// Revoke takes a token of App back.
func (s *Server) Revoke(raw string) {
	s.t.Helper()
	s.post("/revoke", url.Values{"token": {raw}, "client_id": {App}}, nil)
}

// Own is a token that Worker got for itself at the token endpoint, for the first resource: there is no person behind it.
func (s *Server) Own(scopes ...string) string {
	s.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {Worker}, "client_secret": {Secret}, "resource": {s.resources[0].URI}}
	if len(scopes) > 0 {
		form.Set("scope", oauth.NewScopes(scopes...).String())
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	s.post("/token", form, &answer)
	return answer.Token
}

func (s *Server) post(path string, form url.Values, v any) {
	s.t.Helper()
	res, err := s.http.PostForm(s.Issuer+path, form)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("authtest: %s answered %s", path, res.Status)
	}
	if v == nil {
		return
	}
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) claims(said Said) token.Claims {
	given := oauth.NewScopes(said.Scopes...)
	said = said.filled()
	if said.Audience == "" {
		said.Audience = s.resources[0].URI
	}
	if len(given) == 0 {
		given = s.resources[0].InitialScopes()
	}
	issued := time.Unix(said.issued(), 0)
	return token.Claims{Principal: token.Principal{Issuer: s.Issuer, Subject: said.Subject}, Client: said.Client, Grant: "grant-" + rand.Text(), ID: rand.Text(), Resource: said.Audience,
		Scopes: given, Groups: said.Groups, Authenticated: issued, Issued: issued, Expires: said.now.Add(said.Life)}
}

// mint signs c as of the time at which it was issued.
func (s *Server) mint(r *token.Ring, c token.Claims) string {
	s.t.Helper()
	raw, err := r.Access(c.Issued, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// signing is the newest key of the server.
func (s *Server) signing() token.Key {
	s.t.Helper()
	all, err := s.keys.Authserver().Keys.Keys(context.Background(), time.Now())
	if err != nil || len(all) == 0 {
		s.t.Fatalf("authtest: reading the signing keys: %v", err)
	}
	return slices.MaxFunc(all, func(a, b token.Key) int { return a.Shown.Compare(b.Shown) })
}

// ring has that key sign, at any time: a stale token was signed before the test began.
func (s *Server) ring() *token.Ring {
	s.t.Helper()
	k := s.signing()
	k.Shown, k.Used, k.Until = time.Time{}, time.Time{}, time.Time{}
	return s.ringOf(s.Issuer, k)
}

// made is a ring with a key that nobody publishes, under the name id; empty: a name of its own.
func (s *Server) made(issuer, id string) *token.Ring {
	s.t.Helper()
	k, err := token.NewKey(time.Time{}, time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	if id != "" {
		k.ID = id
	}
	return s.ringOf(issuer, k)
}

func (s *Server) ringOf(issuer string, k token.Key) *token.Ring {
	s.t.Helper()
	r, err := token.NewRing(issuer, []token.Key{k})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}
