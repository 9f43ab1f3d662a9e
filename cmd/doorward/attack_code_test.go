package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/store"
	"github.com/doorward-mcp/doorward/token"
)

// AS-CODE-ONCE, rule 8: a code gives tokens once. The second right redemption takes them back; a wrong one takes nothing
// and consumes nothing, else whoever sees a code could sign its owner out.
func TestAttackOnCodes(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	client := s.app()
	stranger := s.register(`{"client_name":"Stranger","redirect_uris":["` + callback + `"]}`)
	web := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb"]}`)
	attack := func(name string, try func(t *testing.T, a *app, code string) answer, status int, code string) {
		as(t, s, name, func(t *testing.T) {
			client.t = t
			b.t = t
			given := client.again().code(b)
			try(t, client, given).wants(t, status, code)
			s.works("the right client's, after the attack", client.redeem(given).tokens(t).Access)
		})
	}
	attack("another client", func(_ *testing.T, a *app, code string) answer { return a.redeem(code, "client_id", stranger.ID) }, 400, "invalid_grant")
	attack("a client that authenticates", func(_ *testing.T, a *app, code string) answer {
		return a.redeem(code, "client_id", web.ID, "client_secret", web.Secret)
	}, 400, "invalid_grant")
	attack("an unknown client", func(_ *testing.T, a *app, code string) answer { return a.redeem(code, "client_id", "dw-NOBODY") }, 401, "invalid_client")
	attack("a wrong verifier", func(_ *testing.T, a *app, code string) answer {
		return a.redeem(code, "code_verifier", oauth.NewVerifier())
	}, 400, "invalid_grant")
	attack("the challenge as the verifier", func(_ *testing.T, a *app, code string) answer {
		return a.redeem(code, "code_verifier", oauth.S256(a.Verifier))
	}, 400, "invalid_grant")
	attack("no verifier", func(_ *testing.T, a *app, code string) answer { return a.redeem(code, "code_verifier", "") }, 400, "invalid_request")
	attack("another redirect", func(_ *testing.T, a *app, code string) answer {
		return a.redeem(code, "redirect_uri", "http://127.0.0.1:7778/callback")
	}, 400, "invalid_grant")
	attack("another resource", func(_ *testing.T, a *app, code string) answer {
		return a.redeem(code, "resource", "https://other.example/mcp")
	}, 400, "invalid_target")
	attack("more scope", func(_ *testing.T, a *app, code string) answer { return a.redeem(code, "scope", "mcp offline_access") }, 400, "invalid_scope")
	attack("a parameter twice", func(t *testing.T, a *app, code string) answer {
		form := "grant_type=authorization_code&code=" + code + "&code=x&client_id=" + a.ID + "&code_verifier=" + a.Verifier
		return do(t, http.DefaultClient, request(t, "POST", s.at("/token"), form, "Content-Type", "application/x-www-form-urlencoded"))
	}, 400, "invalid_request")
	attack("in the query", func(t *testing.T, a *app, code string) answer {
		query := "grant_type=authorization_code&code=" + code + "&client_id=" + a.ID + "&code_verifier=" + a.Verifier
		return do(t, http.DefaultClient, request(t, "POST", s.at("/token?"+query), "", "Content-Type", "application/x-www-form-urlencoded"))
	}, 400, "invalid_request")
	attack("guessed", func(_ *testing.T, a *app, code string) answer { return a.redeem("dwc_" + strings.Repeat("A", 26)) }, 400, "invalid_grant")
}

func TestAttackByReplayingACode(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()

	code := app.code(b)
	first := app.redeem(code).tokens(t)
	app.redeem(code, "code_verifier", oauth.NewVerifier()).wants(t, 400, "invalid_grant")
	s.works("after a replay with a wrong verifier", first.Access)
	app.redeem(code).wants(t, 400, "invalid_grant")
	s.refuses("the first redemption's, after the second", first.Access)
	app.refresh(first.Refresh).wants(t, 400, "invalid_grant")
	app.redeem(code).wants(t, 400, "invalid_grant")

	code = app.again().code(b)
	s.rewrite("UPDATE grants SET code_until = code_until - 61000 WHERE redeemed = 0")
	app.redeem(code).wants(t, 400, "invalid_grant")
}

// Of twenty redemptions at once one is answered, and a second one means that somebody has the code who should not.
func TestAttackByRacingACode(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	code := app.code(b)
	answers := twenty(func() answer { return app.redeem(code) })
	var won []answer
	for _, a := range answers {
		if a.StatusCode == http.StatusOK {
			won = append(won, a)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d of twenty were given tokens", len(won))
	}
	s.refuses("the one that was given", won[0].tokens(t).Access)
}

func twenty(act func() answer) []answer {
	answers := make([]answer, 20)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = act() })
	}
	all.Wait()
	return answers
}

// Rule 8, every row, over TCP; the clock is moved in the database. Package grant has the same rows to the second.
func TestAttackWithRefreshTokens(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.app()
	fresh := func(t *testing.T) tokens {
		app.t, b.t = t, t
		return app.redeem(app.again().code(b)).tokens(t)
	}
	row := func(name string, attack func(t *testing.T)) { as(t, s, name, attack) }

	row("the newest rotates", func(t *testing.T) {
		one := fresh(t)
		two := app.refresh(one.Refresh).tokens(t)
		three := app.refresh(two.Refresh).tokens(t)
		if two.Refresh == one.Refresh || three.Refresh == two.Refresh {
			t.Error("a refresh token came again")
		}
		s.works("rotated", three.Access)
	})
	row("the one before within the window gets the newest again", func(t *testing.T) {
		one := fresh(t)
		two := app.refresh(one.Refresh).tokens(t)
		if again := app.refresh(one.Refresh).tokens(t); again.Refresh != two.Refresh {
			t.Error("a second line of succession")
		}
		s.works("and the line goes on", app.refresh(two.Refresh).tokens(t).Access)
	})
	row("an older one within the window is refused and the grant stands", func(t *testing.T) {
		one := fresh(t)
		two := app.refresh(one.Refresh).tokens(t)
		three := app.refresh(two.Refresh).tokens(t)
		app.refresh(one.Refresh).wants(t, 400, "invalid_grant")
		s.works("the newest", app.refresh(three.Refresh).tokens(t).Access)
	})
	row("an older one after the window revokes", func(t *testing.T) {
		one := fresh(t)
		two := app.refresh(one.Refresh).tokens(t)
		s.rewrite("UPDATE grants SET rotated = rotated - 31000 WHERE revoked = 0")
		app.refresh(one.Refresh).wants(t, 400, "invalid_grant")
		app.refresh(two.Refresh).wants(t, 400, "invalid_grant")
		s.refuses("of the revoked grant", two.Access)
		s.refuses("of the revoked grant", one.Access)
	})
	row("idle for too long", func(t *testing.T) {
		one := fresh(t)
		s.rewrite("UPDATE grants SET idle_until = idle_until - 2592001000 WHERE revoked = 0")
		app.refresh(one.Refresh).wants(t, 400, "invalid_grant")
	})
	row("another client", func(t *testing.T) {
		one := fresh(t)
		stranger := s.register(`{"client_name":"Stranger","redirect_uris":["` + callback + `"]}`)
		app.refresh(one.Refresh, "client_id", stranger.ID).wants(t, 400, "invalid_grant")
		s.works("the right client's", app.refresh(one.Refresh).tokens(t).Access)
	})
	row("an altered one", func(t *testing.T) {
		one := fresh(t)
		for _, raw := range []string{one.Refresh[:len(one.Refresh)-2] + "AA", "dwr_" + strings.Repeat("A", 75), "dwr_", one.Refresh + "A", one.Access} {
			app.refresh(raw).wants(t, 400, "invalid_grant")
		}
		s.works("the right one", app.refresh(one.Refresh).tokens(t).Access)
	})
	row("more than was granted", func(t *testing.T) {
		one := fresh(t)
		app.refresh(one.Refresh, "scope", "mcp offline_access").wants(t, 400, "invalid_scope")
		app.refresh(one.Refresh, "resource", "https://other.example/mcp").wants(t, 400, "invalid_target")
		s.works("the right one", app.refresh(one.Refresh).tokens(t).Access)
	})
}

// A generation or epoch that was never given comes from a database that was set back, or from who has its secrets.
func TestAttackWithRefreshTokensNeverGiven(t *testing.T) {
	s := protect(t)
	app, one := s.connect()
	r, ok := grant.ParseRefresh(token.NewSecret(one.Refresh))
	if !ok {
		t.Fatal("not a refresh token")
	}
	var never []string
	s.opened(func(ctx context.Context, db *store.DB) {
		g, err := db.Authserver().Grants.Find(ctx, time.Now(), grant.Name{ID: r.Grant()})
		if err != nil {
			t.Fatal(err)
		}
		ahead, foreign := g, g
		ahead.Generation += 5
		foreign.Epoch++
		never = []string{ahead.RefreshToken().Reveal(), foreign.RefreshToken().Reveal()}
	})
	for _, raw := range never {
		app.refresh(raw).wants(t, 400, "invalid_grant")
	}
	if !strings.Contains(s.stderr.String(), "never given") {
		t.Error("there was no alarm")
	}
	s.works("the grant stands", app.refresh(one.Refresh).tokens(t).Access)
}

// Confidential clients have no window: who authenticates can retry with what it has.
func TestAttackOnAConfidentialClient(t *testing.T) {
	s := protect(t)
	b := s.browser()
	b.signIn()
	app := s.register(`{"client_name":"Web","redirect_uris":["https://app.example/cb"]}`)
	code := app.code(b)
	for _, secret := range []string{"", "dws_WRONG"} {
		app.redeem(code, "client_secret", secret).wants(t, 401, "invalid_client")
	}
	one := app.redeem(code).tokens(t)
	app.refresh(one.Refresh, "client_secret", "").wants(t, 401, "invalid_client")
	two := app.refresh(one.Refresh).tokens(t)
	app.refresh(one.Refresh).wants(t, 400, "invalid_grant")
	app.refresh(two.Refresh).wants(t, 400, "invalid_grant")
	s.refuses("of the revoked grant", two.Access)
}

// Rule 8: never two lines of succession.
func TestAttackByRacingRefreshes(t *testing.T) {
	s := protect(t)
	app, one := s.connect()
	next := map[string]int{}
	for _, a := range twenty(func() answer { return app.refresh(one.Refresh) }) {
		next[a.tokens(t).Refresh]++
	}
	if len(next) != 1 || next[one.Refresh] != 0 {
		t.Fatalf("twenty refreshes gave %d successors", len(next))
	}
	for raw := range next {
		s.works("the one successor", app.refresh(raw).tokens(t).Access)
	}
}
