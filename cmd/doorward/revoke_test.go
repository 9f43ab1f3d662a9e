package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// RFC 7009.
func TestRevocation(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	web := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb"]}`)
	native := s.app()
	fresh := func(t *testing.T) tokens {
		native.t, b.t = t, t
		return native.redeem(native.again().code(b)).tokens(t)
	}
	revoke := func(t *testing.T, a *app, raw string) answer {
		f := url.Values{"token": {raw}, "client_id": {a.ID}, "token_type_hint": {"refresh_token"}}
		if a.Secret != "" {
			f.Set("client_secret", a.Secret)
		}
		return s.posted(t, "/revoke", f.Encode())
	}
	taken := func(t *testing.T, a answer) {
		t.Helper()
		if a.StatusCode != 200 || a.body != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %q", a.Status, a.body)
		}
	}
	as(t, s, "a refresh token ends the grant at once", func(t *testing.T) {
		got := fresh(t)
		s.works("before", got.Access)
		taken(t, revoke(t, native, got.Refresh))
		s.refuses("after", got.Access)
		native.refresh(got.Refresh).wants(t, 400, "invalid_grant")
	})
	as(t, s, "an access token ends itself alone", func(t *testing.T) {
		got := fresh(t)
		taken(t, revoke(t, native, got.Access))
		s.refuses("after", got.Access)
		s.works("the next", native.refresh(got.Refresh).tokens(t).Access)
	})
	as(t, s, "another client's token stands", func(t *testing.T) {
		got := fresh(t)
		for _, raw := range []string{got.Access, got.Refresh} {
			taken(t, revoke(t, web, raw))
		}
		s.works("after", got.Access)
		native.refresh(got.Refresh).tokens(t)
	})
	as(t, s, "what is no token is no error", func(t *testing.T) {
		got := fresh(t)
		for _, raw := range []string{"x", "dwr_x", got.Refresh[:20], got.Access + "x"} {
			taken(t, revoke(t, native, raw))
		}
		taken(t, revoke(t, native, got.Refresh))
		taken(t, revoke(t, native, got.Refresh))
	})
	as(t, s, "who asks must be a client", func(t *testing.T) {
		got := fresh(t)
		s.posted(t, "/revoke", "token="+got.Refresh+"&client_id=dw-NOBODY").wants(t, 401, "invalid_client")
		s.posted(t, "/revoke", "token="+got.Refresh).wants(t, 401, "invalid_client")
		s.posted(t, "/revoke", "token="+got.Refresh+"&client_id="+web.ID).wants(t, 401, "invalid_client")
		s.posted(t, "/revoke", "client_id="+native.ID).wants(t, 400, "invalid_request")
		s.posted(t, "/revoke?token="+got.Refresh, "client_id="+native.ID).wants(t, 400, "invalid_request")
		s.works("after", got.Access)
	})
	as(t, s, "it is recorded", func(t *testing.T) {
		got := fresh(t)
		taken(t, revoke(t, native, got.Refresh))
		all := s.audited()
		last := all[len(all)-1]
		if last["msg"] != "grant.revoked" || last["phase"] != "outcome" || last["grant"] != payload(t, got.Access)["gid"] || last["sub"] == nil {
			t.Errorf("%v", last)
		}
	})
}

// A stream that a token opened ends when the token is taken back: it was good when the stream began.
func TestARevokedTokensStreamEnds(t *testing.T) {
	up := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s := protect(t, up.URL)
	app, got := s.connect()
	r := request(t, "GET", s.ready.Resource, "", "Authorization", "Bearer "+got.Access, "Accept", "text/event-stream", "Mcp-Protocol-Version", "2025-11-25")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	res, err := http.DefaultClient.Do(r.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	stream := bufio.NewReader(res.Body)
	if line, err := stream.ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	if a := s.posted(t, "/revoke", url.Values{"token": {got.Refresh}, "client_id": {app.ID}}.Encode()); a.StatusCode != 200 {
		t.Fatal(a.Status)
	}
	if _, err := io.Copy(io.Discard, stream); err == nil || ctx.Err() != nil {
		t.Errorf("the stream ended with %v, %v", err, ctx.Err())
	}
}
