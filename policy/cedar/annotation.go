package cedar

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/policy"
)

// The remedies of a forbid: what makes it not fire.
const (
	remedyScope    = "step_up_scope"
	remedyACR      = "step_up_acr"
	remedyMaxAge   = "max_age"
	remedyAccount  = "link_account"
	remedyApproval = "approval"
)

// annotations are what is written before a rule.
type annotations struct {
	id, title   string
	remedy      string // empty: a permit, or a forbid for which there is none
	lacking     policy.Lacking
	obligations []policy.Obligation
}

var (
	ruleID      = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,127}$`)
	acrValue    = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`)
	rateLimit   = regexp.MustCompile(`^([1-9][0-9]{0,6})/([smhd])$`)
	jsonPointer = regexp.MustCompile(`^(/([^~/]|~[01])+)+$`) // a name that is empty is nearly always one stroke too many
)

// remedies are the remedies, each with the annotation that says what would do; empty: none does.
var remedies = map[string]string{remedyScope: "scope", remedyACR: "acr", remedyMaxAge: "max_age", remedyAccount: "", remedyApproval: ""}

// readAnnotations reads what is written before r, and refuses what nobody knows: a misspelt one would do nothing, in silence.
func readAnnotations(r *rule, p *problems) (a annotations) {
	r.id = r.annotated("id") // what is wrong names it, wherever it stands
	for _, one := range r.ast.Annotations {
		key, value := string(one.Key), string(one.Value)
		switch key {
		case "id":
			if a.id = value; !ruleID.MatchString(value) {
				p.of(r, "@id(%q): an id is small letters, digits, dots and dashes", value)
			}
		case "title":
			if a.title = value; value == "" || len(value) > 200 || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' }) {
				p.of(r, "@title: it is empty, of several lines, or longer than 200 letters: callers are shown it")
			}
		case "remedy":
			if _, known := remedies[value]; !known {
				p.of(r, "@remedy(%q): there is no such remedy: step_up_scope, step_up_acr, max_age, link_account and approval are", value)
			}
			a.remedy = value
		case "scope", "acr", "max_age":
			a.readLacking(r, key, value, p)
		case policy.Redact, policy.Audit, policy.RateLimit, policy.Notify:
			a.readObligation(r, key, value, p)
		default:
			p.of(r, "@%s: there is no such annotation: id, title, remedy, scope, acr, max_age, redact, audit, ratelimit and notify are", key)
		}
	}
	a.check(r, p)
	return a
}

func (a *annotations) readLacking(r *rule, key, value string, p *problems) {
	switch key {
	case "scope":
		scopes, err := oauth.ParseScopes(value)
		if err != nil || len(scopes) == 0 {
			p.of(r, "@scope(%q): it is no scope, or several with spaces between", value)
		}
		a.lacking.Scopes = scopes
	case "acr":
		for _, one := range strings.Fields(value) {
			if !acrValue.MatchString(one) {
				value = ""
			}
		}
		if a.lacking.ACR = strings.Join(strings.Fields(value), " "); a.lacking.ACR == "" {
			p.of(r, "@acr: it names no authentication context, such as urn:example:mfa")
		}
	case "max_age":
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			p.of(r, "@max_age(%q): it is no number of seconds", value)
		}
		a.lacking.MaxAge = n
	}
}

func (a *annotations) readObligation(r *rule, key, value string, p *problems) {
	values := []string{value}
	switch key {
	case policy.Redact:
		values = strings.Fields(value)
		for _, one := range values {
			if !jsonPointer.MatchString(one) {
				p.of(r, "@redact(%q): it is no JSON pointer, such as /ssn or /users/*/ssn", one)
			}
		}
	case policy.Audit:
		if !slices.Contains([]string{"none", "metadata", "args", "full"}, value) {
			p.of(r, "@audit(%q): there is no such level: none, metadata, args and full are", value)
		}
	case policy.RateLimit:
		if !rateLimit.MatchString(value) {
			p.of(r, "@ratelimit(%q): it is no number and span, such as 10/h: s, m, h and d are spans", value)
		}
	}
	for _, one := range values {
		a.obligations = append(a.obligations, policy.Obligation{Name: key, Value: one, Rule: a.id})
	}
	if len(values) == 0 || strings.TrimSpace(value) == "" {
		p.of(r, "@%s: it says nothing", key)
	}
}

// check holds the annotations against each other and against the rule.
func (a *annotations) check(r *rule, p *problems) {
	for i := range a.obligations { // an id may stand behind them
		a.obligations[i].Rule = a.id
	}
	permit := r.ast.Effect == ast.EffectPermit
	switch {
	case a.id == "":
		p.of(r, "@id is missing: records and tests name rules by it")
	case permit && a.remedy != "":
		p.of(r, "@remedy: a permit has none: it makes a challenge of a forbid")
	case !permit && len(a.obligations) > 0:
		p.of(r, "@%s: a forbid has none: what must be done stands with the permit that lets the call through", a.obligations[0].Name)
	}
	needs := remedies[a.remedy]
	has := map[string]bool{"scope": len(a.lacking.Scopes) > 0, "acr": a.lacking.ACR != "", "max_age": a.lacking.MaxAge > 0}
	for _, key := range []string{"scope", "acr", "max_age"} {
		switch {
		case has[key] && needs != key:
			p.of(r, "@%s says what @remedy(%q) asks for, and there is no such remedy here", key, remedyOf(key))
		case !has[key] && needs == key:
			p.of(r, "@remedy(%q) without @%s: a caller would not learn what to ask for", a.remedy, key)
		}
	}
	switch a.remedy {
	case remedyAccount:
		a.lacking.Account = r.server
	case remedyApproval:
		a.lacking.Approval = true
	}
}

// annotated is the value of an annotation as it is written; empty: there is none.
func (r *rule) annotated(key string) string {
	for _, one := range r.ast.Annotations {
		if string(one.Key) == key {
			return string(one.Value)
		}
	}
	return ""
}

func remedyOf(annotation string) string {
	for remedy, needs := range remedies {
		if needs == annotation {
			return remedy
		}
	}
	return ""
}
