package grant_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

const (
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	redirect = "http://127.0.0.1:7777/callback"
	resource = "https://mcp.example/mcp"
	client   = "c"
)

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	lives = grant.Lifetimes{}.WithDefaults()
)

// approved is a grant of noon and its code.
func approved(change ...func(*grant.Approved)) (grant.Grant, token.Secret) {
	a := grant.Approved{Subject: token.Principal{Issuer: "https://as.example", Subject: "alice"}, Client: client, Redirect: redirect, Challenge: oauth.S256(verifier),
		Resources: []string{resource}, Scopes: oauth.NewScopes("mcp", "offline_access"), Signed: noon.Add(-time.Minute), ACR: "pw", Groups: []string{"staff"}}
	for _, c := range change {
		c(&a)
	}
	return grant.New(noon, a, lives)
}

func presented(code token.Secret) grant.Code {
	return grant.Code{Raw: code, Client: client, Redirect: redirect, Verifier: verifier}
}

// redeemed is a grant whose code was redeemed at noon.
func redeemed(t testing.TB, change ...func(*grant.Approved)) grant.Grant {
	t.Helper()
	g, code := approved(change...)
	g, v := g.Redeem(noon, presented(code))
	if v != grant.Good {
		t.Fatal(v)
	}
	return g
}

// AS-CODE-ONCE, RFC 6749 §4.1.3, RFC 7636 §4.6: who may redeem what, when, and what it costs to be wrong.
func TestRedeem(t *testing.T) {
	first, code := approved()
	used, _ := first.Redeem(noon, presented(code))
	ended := used
	ended.Revoked = noon
	right := presented(code)
	wrong := func(change func(*grant.Code)) grant.Code { c := right; change(&c); return c }
	for _, c := range []struct {
		name  string
		grant grant.Grant
		after time.Duration
		code  grant.Code
		want  grant.Verdict
	}{
		{"right", first, 0, right, grant.Good},
		{"right, at the last moment", first, 60*time.Second - 1, right, grant.Good},
		{"right, for its resource", first, 0, wrong(func(c *grant.Code) { c.Resource = resource }), grant.Good},
		{"right, for less scope", first, 0, wrong(func(c *grant.Code) { c.Scopes = oauth.NewScopes("mcp") }), grant.Good},
		{"too late", first, 60 * time.Second, right, grant.Refused},
		{"another client", first, 0, wrong(func(c *grant.Code) { c.Client = "d" }), grant.Refused},
		{"another redirect", first, 0, wrong(func(c *grant.Code) { c.Redirect += "/" }), grant.Refused},
		{"right, without a redirect, as OAuth 2.1 §4.1.3 has it", first, 0, wrong(func(c *grant.Code) { c.Redirect = "" }), grant.Good},
		{"presented as a device code", first, 0, wrong(func(c *grant.Code) { c.Device = true }), grant.Refused},
		{"presented as a device code, without what a device lacks", first, 0, wrong(func(c *grant.Code) { c.Device, c.Verifier, c.Redirect = true, "", "" }), grant.Refused},
		{"another verifier", first, 0, wrong(func(c *grant.Code) { c.Verifier = oauth.NewVerifier() }), grant.Refused},
		{"no verifier", first, 0, wrong(func(c *grant.Code) { c.Verifier = "" }), grant.Refused},
		{"the challenge for the verifier", first, 0, wrong(func(c *grant.Code) { c.Verifier = oauth.S256(verifier) }), grant.Refused},
		{"another code", first, 0, wrong(func(c *grant.Code) { c.Raw = token.NewSecret("dwc_X") }), grant.Refused},
		{"no code", first, 0, wrong(func(c *grant.Code) { c.Raw = token.Secret{} }), grant.Refused},
		{"another resource", first, 0, wrong(func(c *grant.Code) { c.Resource = "https://other.example" }), grant.WrongTarget},
		{"more scope", first, 0, wrong(func(c *grant.Code) { c.Scopes = oauth.NewScopes("admin") }), grant.WrongScope},
		{"a second time", used, time.Second, right, grant.Stolen},
		{"a second time, long after", used, time.Hour, right, grant.Stolen},
		{"a second time, with a wrong verifier", used, time.Second, wrong(func(c *grant.Code) { c.Verifier = oauth.NewVerifier() }), grant.Refused},
		{"a second time, by another client", used, time.Second, wrong(func(c *grant.Code) { c.Client = "d" }), grant.Refused},
		{"a third time", ended, time.Second, right, grant.Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, v := c.grant.Redeem(noon.Add(c.after), c.code)
			if v != c.want {
				t.Fatalf("%s, want %s", v, c.want)
			}
			switch v {
			case grant.Good:
				if got.Redeemed.IsZero() || got.Generation != 1 || !got.Revoked.IsZero() {
					t.Errorf("%+v", got)
				}
			case grant.Stolen:
				if got.Revoked.IsZero() {
					t.Error("the grant stands")
				}
			default:
				if diff := cmp.Diff(c.grant, got); diff != "" {
					t.Errorf("a refusal changed the grant\n%s", diff)
				}
			}
		})
	}
}

// succession is a grant with generation n at `rotated`, and its tokens of all generations, the first at [0].
func succession(t testing.TB, n int, change ...func(*grant.Approved)) (grant.Grant, []token.Secret) {
	t.Helper()
	g := redeemed(t, change...)
	all := []token.Secret{g.RefreshToken()}
	for len(all) < n {
		var v grant.Verdict
		if g, v = g.Rotate(noon, refresh(t, all[len(all)-1]), lives); v != grant.Good {
			t.Fatal(v)
		}
		all = append(all, g.RefreshToken())
	}
	return g, all
}

func refresh(t testing.TB, raw token.Secret) grant.Refresh {
	t.Helper()
	r, ok := grant.ParseRefresh(raw)
	if !ok {
		t.Fatalf("%s is not parsed", raw.Reveal())
	}
	r.Client = client
	return r
}

// Rule 8, AS-REFRESH-ROTATE, RFC 9700 §4.14.2: a row of the rule is a row here.
func TestRotate(t *testing.T) {
	confidential := func(a *grant.Approved) { a.Confidential = true }
	g, all := succession(t, 3)
	secretly, theirs := succession(t, 3, confidential)
	ended := g
	ended.Revoked = noon
	unredeemed, _ := approved()
	ahead, foreign := g, g
	ahead.Generation++
	foreign.Epoch++
	bound := g
	bound.Key = "thumbprint"
	other := redeemed(t)
	const day = 24 * time.Hour
	late := g
	late.Until = noon.Add(time.Hour)
	with := func(raw token.Secret, change func(*grant.Refresh)) grant.Refresh {
		r := refresh(t, raw)
		change(&r)
		return r
	}
	for _, c := range []struct {
		name  string
		grant grant.Grant
		after time.Duration
		r     grant.Refresh
		want  grant.Verdict
	}{
		{"g = n rotates", g, time.Hour, refresh(t, all[2]), grant.Good},
		{"g = n in the window rotates", g, 0, refresh(t, all[2]), grant.Good},
		{"g = n of a confidential client rotates", secretly, 0, refresh(t, theirs[2]), grant.Good},
		{"g = n-1 in the window gives n again", g, 0, refresh(t, all[1]), grant.Again},
		{"g = n-1 at the window's end gives n again", g, 30 * time.Second, refresh(t, all[1]), grant.Again},
		{"g = n-1 after the window revokes", g, 30*time.Second + 1, refresh(t, all[1]), grant.Stolen},
		{"g = n-1 days after revokes", g, 7 * day, refresh(t, all[1]), grant.Stolen},
		{"another g < n in the window is refused", g, 0, refresh(t, all[0]), grant.Refused},
		{"another g < n after the window revokes", g, 31 * time.Second, refresh(t, all[0]), grant.Stolen},
		{"g = n-1 of a confidential client revokes at once", secretly, 0, refresh(t, theirs[1]), grant.Stolen},
		{"another g < n of a confidential client revokes at once", secretly, 0, refresh(t, theirs[0]), grant.Stolen},
		{"g > n is an alarm", g, 0, refresh(t, ahead.RefreshToken()), grant.Alarm},
		{"g > n after the window is an alarm", g, day, refresh(t, ahead.RefreshToken()), grant.Alarm},
		{"a foreign epoch is an alarm", g, 0, refresh(t, foreign.RefreshToken()), grant.Alarm},
		{"another client's g = n is refused", g, 0, with(all[2], func(r *grant.Refresh) { r.Client = "d" }), grant.Refused},
		{"another client's g = n-1 is refused", g, 0, with(all[1], func(r *grant.Refresh) { r.Client = "d" }), grant.Refused},
		{"another client's old g revokes nothing", g, day, with(all[0], func(r *grant.Refresh) { r.Client = "d" }), grant.Refused},
		{"another key's g = n is refused", bound, 0, with(all[2], func(r *grant.Refresh) { r.Key = "other" }), grant.Refused},
		{"another key's g = n-1 is refused", bound, 0, refresh(t, all[1]), grant.Refused},
		{"the right key's g = n rotates", bound, 0, with(all[2], func(r *grant.Refresh) { r.Key = "thumbprint" }), grant.Good},
		{"another grant's token is refused", g, 0, refresh(t, other.RefreshToken()), grant.Refused},
		{"a revoked grant's is refused", ended, 0, refresh(t, all[2]), grant.Refused},
		{"a revoked grant's old one is refused", ended, day, refresh(t, all[0]), grant.Refused},
		{"before the code is redeemed there is none", unredeemed, 0, refresh(t, unredeemed.RefreshToken()), grant.Refused},
		{"idle for too long", g, 30 * day, refresh(t, all[2]), grant.Refused},
		{"idle almost for too long", g, 30*day - 1, refresh(t, all[2]), grant.Good},
		{"at the end of its life, however busy", late, time.Hour, refresh(t, all[2]), grant.Refused},
		{"another resource", g, 0, with(all[2], func(r *grant.Refresh) { r.Resource = "https://other.example" }), grant.WrongTarget},
		{"more scope", g, 0, with(all[2], func(r *grant.Refresh) { r.Scopes = oauth.NewScopes("admin") }), grant.WrongScope},
		{"more scope with g = n-1", g, 0, with(all[1], func(r *grant.Refresh) { r.Scopes = oauth.NewScopes("admin") }), grant.WrongScope},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, v := c.grant.Rotate(noon.Add(c.after), c.r, lives)
			if v != c.want {
				t.Fatalf("%s, want %s", v, c.want)
			}
			switch v {
			case grant.Good:
				if got.Generation != c.grant.Generation+1 || !got.Rotated.Equal(noon.Add(c.after)) || got.IdleUntil.After(got.Until) {
					t.Errorf("%+v", got)
				}
			case grant.Stolen:
				if got.Revoked.IsZero() {
					t.Error("the grant stands")
				}
			default: // in the window, too, nothing moves: neither the generation nor the window
				if diff := cmp.Diff(c.grant, got); diff != "" {
					t.Errorf("it changed the grant\n%s", diff)
				}
			}
		})
	}
}

func TestTheIdleTimeMovesAndTheEndDoesNot(t *testing.T) {
	g := redeemed(t)
	end := g.Until
	for day := 25; day <= 175; day += 25 {
		var v grant.Verdict
		if g, v = g.Rotate(noon.AddDate(0, 0, day), refresh(t, g.RefreshToken()), lives); v != grant.Good {
			t.Fatalf("day %d: %s", day, v)
		}
	}
	if !g.Until.Equal(end) || !g.IdleUntil.Equal(end) {
		t.Errorf("until %s, idle until %s, want %s", g.Until, g.IdleUntil, end)
	}
	if _, v := g.Rotate(noon.AddDate(0, 0, 180), refresh(t, g.RefreshToken()), lives); v != grant.Refused {
		t.Errorf("at the end: %s", v)
	}
}

// Every byte of a refresh token counts.
func TestAnAlteredRefreshTokenIsNotGenuine(t *testing.T) {
	g := redeemed(t)
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(g.RefreshToken().Reveal(), "dwr_"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		altered := append([]byte(nil), b...)
		altered[i] ^= 1
		r := refresh(t, token.NewSecret("dwr_"+base64.RawURLEncoding.EncodeToString(altered)))
		if got, v := g.Rotate(noon, r, lives); v != grant.Refused || !got.Revoked.IsZero() {
			t.Errorf("byte %d altered: %s", i, v)
		}
	}
	secret := g
	secret.Secret = make([]byte, 32)
	if g.Genuine(refresh(t, secret.RefreshToken())) {
		t.Error("a token under another secret is genuine")
	}
}

func FuzzParseRefresh(f *testing.F) {
	g, _ := grant.New(noon, grant.Approved{}, lives)
	f.Add(g.RefreshToken().Reveal())
	f.Add("dwr_")
	f.Add("dwr_====")
	f.Add("")
	f.Fuzz(func(t *testing.T, raw string) {
		r, ok := grant.ParseRefresh(token.NewSecret(raw))
		if ok && (len(raw) != 4+75 || r.Grant() == "") {
			t.Errorf("%q is taken", raw)
		}
		if ok && g.Genuine(r) && raw != g.RefreshToken().Reveal() {
			t.Errorf("%q is another spelling of a genuine token", raw)
		}
	})
}

// What an access token says is what the grant holds, narrowed to what was asked; offline_access is no resource's business.
func TestClaims(t *testing.T) {
	g := redeemed(t, func(a *grant.Approved) { a.Scopes = oauth.NewScopes("mcp", "read", "offline_access") })
	all, some := g.Claims(noon, grant.Wanted{}, lives), g.Claims(noon, grant.Wanted{Resource: resource, Scopes: oauth.NewScopes("read")}, lives)
	want := token.Claims{Principal: g.Subject, Client: client, Grant: g.ID, Resource: resource, Scopes: oauth.NewScopes("mcp", "read"), ACR: "pw", Groups: []string{"staff"},
		Authenticated: noon.Add(-time.Minute), Issued: noon, Expires: noon.Add(10 * time.Minute)}
	if all.ID == "" || all.ID == some.ID {
		t.Error("two tokens of one jti")
	}
	want.ID = all.ID
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(oauth.NewScopes("read"), some.Scopes); diff != "" {
		t.Errorf("narrowed (-want +got)\n%s", diff)
	}
}

// Neither the code nor the refresh token is in what the store gets to see of a grant but the sealed secret.
func TestAGrantHoldsNoCode(t *testing.T) {
	g, code := approved()
	if text := fmt.Sprintf("%+v", g); strings.Contains(text, code.Reveal()) || strings.Contains(text, g.RefreshToken().Reveal()) {
		t.Error("the grant holds what it gives")
	}
	if g.CodeHash != presented(code).Hash() {
		t.Error("the grant's hash is not its code's")
	}
}
