package config

import (
	"net/http"
	"time"
)

// Policy is what decides a call besides the token: one word, or the members. Exactly one of Word, Bundle and AuthZEN is given.
type Policy struct {
	Word       string      `yaml:",word"`      // ScopesOnly; empty: the members say it
	Bundle     string      `yaml:"bundle"`     // a directory of Cedar rules
	Shadow     string      `yaml:"shadow"`     // a directory of rules that are tried beside the bundle and decide nothing; empty: none
	SignedBy   []string    `yaml:"signed_by"`  // verifier keys, one of which must have signed bundle and shadow; empty: they need no signature
	Attributes *Attributes `yaml:"attributes"` // what else is known of people; nil: what the token and the bundle say
	AuthZEN    *AuthZEN    `yaml:"authzen"`    // a decision point that is asked instead of rules of our own
}

// Attributes is a service that knows more of people: their groups and attributes.
type Attributes struct {
	URL     string          `yaml:"url"`     // which is asked by POST
	Headers map[string]Text `yaml:"headers"` // for it, with references
	Timeout time.Duration   `yaml:"timeout"` // after which what it would have said is absent; zero: its role's
	Keep    time.Duration   `yaml:"keep"`    // how long an answer is good; zero: its role's
}

// AuthZEN is a decision point of the Authorization API 1.0.
type AuthZEN struct {
	URL     string          `yaml:"url"`     // of its access evaluation endpoint
	Headers map[string]Text `yaml:"headers"` // for it, with references
	Timeout time.Duration   `yaml:"timeout"` // after which a call is denied; zero: 1 s
}

// defaultAuthZENTimeout is how long a decision point may take that is not told otherwise.
const defaultAuthZENTimeout = time.Second

// Wait is how long the decision point may take.
func (a AuthZEN) Wait() time.Duration {
	if a.Timeout == 0 {
		return defaultAuthZENTimeout
	}
	return a.Timeout
}

// Reveal is the headers with their references looked up, as Server.Headers.
func (a AuthZEN) Reveal(lookup Lookup) (http.Header, error) { return headers(a.Headers, lookup) }

// Reveal is the headers with their references looked up, as Server.Headers.
func (a Attributes) Reveal(lookup Lookup) (http.Header, error) { return headers(a.Headers, lookup) }

func (p Policy) in(from func(*string)) Policy {
	from(&p.Bundle)
	from(&p.Shadow)
	if p.Attributes != nil {
		a := *p.Attributes
		a.Headers = textsIn(a.Headers, from)
		p.Attributes = &a
	}
	if p.AuthZEN != nil {
		a := *p.AuthZEN
		a.Headers = textsIn(a.Headers, from)
		p.AuthZEN = &a
	}
	return p
}
