package provider

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/maypok86/otter/v2"

	"github.com/doorward-mcp/doorward/token"
)

// What an attribute source does where it is not told otherwise.
const (
	DefaultAttributesTimeout = 200 * time.Millisecond
	DefaultAttributesKeep    = time.Minute

	failedFor = time.Second // after a failure nothing is asked about the person again, and nothing is known
	maxPeople = 100_000
)

// Known is what an attribute source knows of a person. The zero Known is nothing.
type Known struct {
	Groups     []string
	Attributes map[string]any // strings, bools, int64 and lists of strings; what is anything else is left out
}

// Attributes asks a service about people:
//
//	{"issuer":"https://house.example","subject":"alice"}
//	{"groups":["crm-admins"],"attributes":{"department":"sales","level":3}}
//
// An answer is good for as long as it was told to keep it, and never longer; what does not come in time is absent. It is safe
// for concurrent use.
type Attributes struct {
	ask    func(ctx context.Context, body []byte) ([]byte, error)
	keep   time.Duration
	now    func() time.Time
	failed func(context.Context, error)
	people *otter.Cache[token.Principal, told]
}

// told is an answer, and until when it is good.
type told struct {
	Known
	until time.Time
}

// NewAttributes asks s. keep of zero is DefaultAttributesKeep; failed is told why nothing is known of somebody.
func NewAttributes(s Service, keep time.Duration, now func() time.Time, failed func(context.Context, error)) *Attributes {
	if s.Timeout == 0 {
		s.Timeout = DefaultAttributesTimeout
	}
	if keep == 0 {
		keep = DefaultAttributesKeep
	}
	return &Attributes{s.Post, keep, now, failed, otter.Must(&otter.Options[token.Principal, told]{MaximumSize: maxPeople})}
}

// Of is what is known of a person now. It waits at most as long as the service may take; people who are asked for at the same
// time are asked about once.
func (a *Attributes) Of(ctx context.Context, p token.Principal) Known {
	if t, ok := a.people.GetIfPresent(p); ok {
		if a.now().Before(t.until) {
			return t.Known
		}
		a.people.Invalidate(p)
	}
	// Whoever asked first may go away; the others still wait for the answer.
	t, err := a.people.Get(context.WithoutCancel(ctx), p, otter.LoaderFunc[token.Principal, told](a.load))
	if err != nil || !a.now().Before(t.until) {
		return Known{}
	}
	return t.Known
}

func (a *Attributes) load(ctx context.Context, p token.Principal) (told, error) {
	asked := a.now() // an answer is as old as its question
	known, err := a.read(ctx, p)
	if err != nil {
		a.failed(ctx, err)
		return told{until: a.now().Add(failedFor)}, nil
	}
	return told{known, asked.Add(a.keep)}, nil
}

func (a *Attributes) read(ctx context.Context, p token.Principal) (k Known, err error) {
	body, err := json.Marshal(struct {
		Issuer  string `json:"issuer"`
		Subject string `json:"subject"`
	}{p.Issuer, p.Subject})
	if err != nil {
		return k, err
	}
	answer, err := a.ask(ctx, body)
	if err != nil {
		return k, err
	}
	// A name in another case, or one that stands twice, could be read otherwise by somebody else.
	var said struct {
		Groups     jsontext.Value            `json:"groups"`
		Attributes map[string]jsontext.Value `json:"attributes"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return k, fmt.Errorf("reading what is known of a person: %w", ErrAnswer)
	}
	k.Attributes = map[string]any{}
	if said.Groups != nil && said.Groups.Kind() != 'n' {
		var ok bool
		if k.Groups, ok = texts(said.Groups); !ok {
			return Known{}, fmt.Errorf("reading the groups of a person: %w", ErrAnswer)
		}
	}
	for name, raw := range said.Attributes {
		if v, ok := attribute(raw); ok {
			k.Attributes[name] = v
		}
	}
	return k, nil
}

// attribute is a JSON value as one of the types that attributes have. A number that is not whole, or too large, is none.
func attribute(raw jsontext.Value) (any, bool) {
	switch raw.Kind() {
	case '"':
		var text string
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	case 't', 'f':
		return raw.Kind() == 't', true
	case '0':
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return n, err == nil
	case '[':
		return texts(raw)
	}
	return nil, false
}

// texts is a list of strings, and of nothing else.
func texts(raw jsontext.Value) ([]string, bool) {
	var each []jsontext.Value
	if json.Unmarshal(raw, &each) != nil {
		return nil, false
	}
	all := make([]string, len(each))
	for i, one := range each {
		if one.Kind() != '"' || json.Unmarshal(one, &all[i]) != nil {
			return nil, false
		}
	}
	return all, true
}
