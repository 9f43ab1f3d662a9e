package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// asked is an issuer that is asked about tokens: what it answers, and what it was asked.
type asked struct {
	mu     sync.Mutex
	tokens []string
	answer string
	err    error
	takes  time.Duration
}

func (a *asked) introspect(ctx context.Context, raw string) ([]byte, error) {
	a.mu.Lock()
	a.tokens = append(a.tokens, raw)
	answer, err, takes := a.answer, a.err, a.takes
	a.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return []byte(answer), err
}

func (a *asked) set(answer string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer, a.err = answer, err
}

func (a *asked) times() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.tokens)
}

// active is an answer about a good token, for life from now.
func active(life time.Duration, changes ...any) string {
	m := map[string]any{"active": true, "iss": issuer, "sub": "alice", "aud": resource, "client_id": "c", "scope": "a b", "token_type": "bearer", "exp": time.Now().Add(life).Unix()}
	for i := 0; i+1 < len(changes); i += 2 {
		if m[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(m, changes[i].(string))
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (a *asked) issuer() token.Issuer {
	return token.Issuer{URL: issuer, Audiences: []string{resource}, Introspect: a.introspect}
}

func why(err error) string {
	var e *oauth.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// RFC 7662 §4: an answer is taken for 30 s and never past the token's end, a bad one too; many who ask at once are one question.
func TestAnswersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asked{answer: active(time.Hour), takes: time.Second}
		v := token.NewVerifier(a.issuer())
		look := func() string {
			_, err := v.Verify(t.Context(), time.Now(), "opaque", "")
			return why(err)
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got := look(); got != "" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if n := a.times(); n != 1 {
			t.Fatalf("asked %d times for one token", n)
		}
		start := time.Now().Add(-time.Second) // when the question was asked
		a.set(`{"active":false}`, nil)
		time.Sleep(time.Until(start.Add(29 * time.Second)))
		if got := look(); got != "" || a.times() != 1 {
			t.Errorf("before 30 s: %q after %d questions", got, a.times())
		}
		time.Sleep(time.Second)
		if got := look(); got != "inactive" || a.times() != 2 {
			t.Errorf("after 30 s: %q after %d questions", got, a.times())
		}
		if got := look(); got != "inactive" || a.times() != 2 {
			t.Errorf("a bad answer is kept: %q after %d questions", got, a.times())
		}
		a.set("", errors.New("down"))
		time.Sleep(30 * time.Second)
		if got := look(); got != "introspection_unavailable" {
			t.Errorf("nobody knows: %q", got)
		}
		a.set(active(10*time.Second), nil)
		if got := look(); got != "" {
			t.Errorf("asked again at once: %q", got)
		}
		n := a.times()
		a.set(`{"active":false}`, nil)
		time.Sleep(11 * time.Second)
		if got := look(); got != "inactive" || a.times() != n+1 {
			t.Errorf("past its end: %q after %d questions more", got, a.times()-n)
		}
	})
}

// Whoever goes away ends no question for which others wait, and waits no longer.
func TestAQuestionOutlivesWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asked{answer: active(time.Hour), takes: 3 * time.Second}
		v := token.NewVerifier(a.issuer())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := v.Verify(ctx, start, "opaque", ""); why(err) != "introspection_unavailable" || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if _, err := v.Verify(t.Context(), time.Now(), "opaque", ""); err != nil || a.times() != 1 {
			t.Errorf("%v after %d questions", err, a.times())
		}
	})
}

// RFC 7662 §2.2 and §4: what an answer must say, and what it means that it does not.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct{ answer, want string }{
		"good":                         {active(time.Hour), ""},
		"without iss":                  {active(time.Hour, "iss", nil), ""},
		"without token_type":           {active(time.Hour, "token_type", nil), ""},
		"scopes as a list":             {active(time.Hour, "scope", []string{"a", "b"}), ""},
		"an end written as text":       {active(time.Hour, "exp", "4102444800"), ""},
		"not active":                   {`{"active":false}`, "inactive"},
		"not active, with all else":    {active(time.Hour, "active", false), "inactive"},
		"active as text":               {active(time.Hour, "active", "true"), "introspection_unavailable"},
		"active as a number":           {active(time.Hour, "active", 1), "introspection_unavailable"},
		"active in capitals":           {strings.Replace(active(time.Hour), `"active"`, `"Active"`, 1), "introspection_unavailable"},
		"active twice":                 {`{"active":false,` + strings.TrimPrefix(active(time.Hour), "{"), "introspection_unavailable"},
		"no JSON":                      {"<html>", "introspection_unavailable"},
		"a list":                       {"[" + active(time.Hour) + "]", "introspection_unavailable"},
		"nothing":                      {"", "introspection_unavailable"},
		"another audience":             {active(time.Hour, "aud", "https://other.example"), "audience"},
		"no audience":                  {active(time.Hour, "aud", nil), "no_audience"},
		"another issuer":               {active(time.Hour, "iss", issuer+"/"), "issuer"},
		"no subject":                   {active(time.Hour, "sub", nil), "no_subject"},
		"a subject that is no text":    {active(time.Hour, "sub", 7), "no_subject"},
		"no client":                    {active(time.Hour, "client_id", nil), "no_client"},
		"no end":                       {active(time.Hour, "exp", nil), "claims"},
		"ended":                        {active(-time.Hour), "expired"},
		"not yet good":                 {active(time.Hour, "nbf", time.Now().Add(time.Hour).Unix()), "not_yet"},
		"a refresh token":              {active(time.Hour, "token_use", "refresh_token"), "not_access"},
		"a type that nobody sends":     {active(time.Hour, "token_type", "mac"), "type"},
		"bound to a key, as a bearer":  {active(time.Hour, "token_type", "DPoP", "cnf", map[string]any{"jkt": "k"}), "bound"},
		"bound to a certificate":       {active(time.Hour, "cnf", map[string]any{"x5t#S256": "k"}), "bound_otherwise"},
		"bound, nobody says to what":   {active(time.Hour, "token_type", "DPoP"), "bound_otherwise"},
		"a task that cannot be read":   {active(time.Hour, "authorization_details", "x"), "task"},
		"an actor that cannot be read": {active(time.Hour, "act", "x"), "claims"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &asked{answer: c.answer}
			got, err := token.NewVerifier(a.issuer()).Verify(t.Context(), time.Now(), "opaque", "")
			if why(err) != c.want {
				t.Fatalf("%v, want %q", err, c.want)
			}
			var e *oauth.Error
			if errors.As(err, &e) && (e.Status == 503) != (c.want == "introspection_unavailable") || e != nil && (e.RetryAfter > 0) != (e.Status == 503) {
				t.Errorf("%+v", e)
			}
			if err == nil && (got.Principal != token.Principal{Issuer: issuer, Subject: "alice"} || !slices.Equal(got.Scopes, oauth.NewScopes("a", "b")) || got.Resource != resource || !got.Foreign) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A token is a secret of its issuer: nobody else is asked about it, as far as it can be told whose it is.
func TestWhoIsAskedAboutAToken(t *testing.T) {
	k := key(t)
	keyed := token.Issuer{URL: "https://keys.example", Audiences: []string{resource}, Keys: token.Own(func() *token.Ring { return ring(t, k) }), Rule: &token.Rule{}}
	jwt := func(changes ...change) string { return signed(t, jose.ES256, k.Private, k.ID, changes...) }
	whole := jwt()
	parts := strings.Split(whole, ".")
	for name, c := range map[string]struct {
		raw          string
		first, other int // who is asked: the issuer, and one whose tokens begin with other_
	}{
		"opaque":                          {"abc", 1, 0},
		"opaque, of the other":            {"other_abc", 0, 1},
		"two dots, and no JWT":            {"a.b.c", 1, 0},
		"a JWT of the issuer":             {whole, 1, 0},
		"a JWT of the other":              {jwt(claim("iss", "https://other.example")), 0, 1},
		"a JWT of one with keys":          {jwt(claim("iss", "https://keys.example")), 0, 0},
		"a JWT of a stranger":             {jwt(claim("iss", "https://evil.example")), 0, 0},
		"a JWT that names nobody":         {jwt(claim("iss", nil)), 1, 0},
		"a JWT that cannot be read":       {parts[0] + "." + parts[1] + "x." + parts[2], 0, 0},
		"a JWT with one name twice":       {parts[0] + ".eyJpc3MiOiJhIiwiaXNzIjoiYiJ9." + parts[2], 0, 0},
		"what no header may have":         {"a b", 0, 0},
		"what no header may have, either": {"a\u00e9", 0, 0},
		"nothing but padding":             {"==", 0, 0},
	} {
		first, other := &asked{answer: `{"active":false}`}, &asked{answer: `{"active":false}`}
		second := other.issuer()
		second.URL, second.Prefix = "https://other.example", "other_"
		v := token.NewVerifier(keyed, second, first.issuer())
		if _, err := v.Verify(t.Context(), time.Now(), c.raw, ""); err == nil {
			t.Errorf("%s: it is taken", name)
		}
		if first.times() != c.first || other.times() != c.other {
			t.Errorf("%s: the issuer was asked %d times, the other %d; want %d and %d", name, first.times(), other.times(), c.first, c.other)
		}
	}
}

// An issuer has keys or is asked, not both: which of them counts nobody could see.
func TestKeysOrIntrospection(t *testing.T) {
	i := (&asked{}).issuer()
	i.Keys = token.Own(func() *token.Ring { return nil })
	defer func() {
		if recover() == nil {
			t.Error("it is taken")
		}
	}()
	token.NewVerifier(i)
}

// What our own authorization server takes back are names that it gave: in a token of another issuer they mean somebody else.
func TestRevocationsDoNotCrossIssuers(t *testing.T) {
	later := noon.Add(time.Hour)
	own := token.Caller{Principal: token.Principal{Issuer: issuer, Subject: "alice"}, Client: "c", ID: "j", Issued: noon}
	foreign := own
	foreign.Issuer, foreign.Foreign = "https://other.example", true
	for name, r := range map[string]token.Revocation{"its jti": {ID: "j"}, "its client": {Client: "c"}, "its subject": {Subject: own.Principal}} {
		r.NotBefore, r.Until = later, later
		s := token.NewRevocations([]token.Revocation{r})
		if !s.Hits(own) || s.Hits(foreign) {
			t.Errorf("%s: own %v, foreign %v", name, s.Hits(own), s.Hits(foreign))
		}
	}
	s := token.NewRevocations([]token.Revocation{{Subject: foreign.Principal, NotBefore: later, Until: later}})
	if !s.Hits(foreign) || s.Hits(own) {
		t.Error("the subject of another issuer")
	}
}

// No answer breaks the reader of answers, and only one that says active, and whom the token is for, is taken.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{active(time.Hour), active(time.Hour, "aud", []string{resource}), `{"active":false}`, `{"active":true,"act":{"sub":"a","act":{"sub":"b"}}}`, `{"active":true,"exp":"\ud800"}`, `{"/a":1,"a":{"b":2}}`, "[]", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		a := &asked{answer: answer}
		i := a.issuer()
		i.Rule = &token.Rule{Required: map[string][]string{"/act/sub": {"a"}}, Groups: []string{"/a/b", "groups"}}
		i.Groups = true
		c, err := token.NewVerifier(i, token.Issuer{URL: "https://other.example"}).Verify(t.Context(), time.Now(), "opaque", "")
		if err == nil && (c.Subject == "" || c.Client == "" || c.Expires.IsZero() || !strings.Contains(answer, "true")) {
			t.Errorf("%q gives %+v", answer, c)
		}
	})
}

// A token that is known costs no memory, whoever issued it.
func BenchmarkKnown(b *testing.B) {
	k := key(b)
	r := ring(b, k)
	own := token.Issuer{URL: issuer, Keys: token.Own(func() *token.Ring { return r }), Audiences: []string{resource}}
	foreign := own
	foreign.Rule = &token.Rule{}
	for name, i := range map[string]token.Issuer{"own": own, "foreign": foreign, "asked": (&asked{answer: active(time.Hour)}).issuer()} {
		b.Run(name, func(b *testing.B) {
			raw, now := signed(b, jose.ES256, k.Private, k.ID), noon
			if name == "asked" {
				raw, now = "opaque", time.Now()
			}
			v := token.NewVerifier(i)
			for b.Loop() {
				if _, err := v.Verify(b.Context(), now, raw, ""); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
		})
	}
}
