package token

import (
	"slices"
	"time"
)

// Revocation hits every token that matches all members that are set and was issued before NotBefore. Client is the client of
// the token or of a hop of its chain: who loses its admission is not let in behind an agent. Grant, Client and ID are names
// that our own authorization server gave: in a token of another issuer they mean nobody here.
// One without any of Grant, Client, ID, Subject and Actor hits nothing.
type Revocation struct {
	Grant, Client, ID string
	Subject, Actor    Principal
	NotBefore         time.Time // tokens issued later are good again
	Until             time.Time // when the last token that it can hit has expired, leeway included
}

// Revocations is an immutable set, indexed by the narrowest member of each. The zero set hits nothing.
type Revocations struct {
	grants, ids, clients map[string][]Revocation    // :: the member → revocations
	subjects, actors     map[Principal][]Revocation // :: the member → revocations
}

// NewRevocations indexes all.
func NewRevocations(all []Revocation) *Revocations {
	s := &Revocations{map[string][]Revocation{}, map[string][]Revocation{}, map[string][]Revocation{}, map[Principal][]Revocation{}, map[Principal][]Revocation{}}
	for _, r := range all {
		switch {
		case r.ID != "":
			s.ids[r.ID] = append(s.ids[r.ID], r)
		case r.Grant != "":
			s.grants[r.Grant] = append(s.grants[r.Grant], r)
		case r.Actor != Principal{}:
			s.actors[r.Actor] = append(s.actors[r.Actor], r)
		case r.Subject != Principal{}:
			s.subjects[r.Subject] = append(s.subjects[r.Subject], r)
		case r.Client != "":
			s.clients[r.Client] = append(s.clients[r.Client], r)
		}
	}
	return s
}

// Hits reports whether c has been taken back. Token times are whole seconds: a token issued in the second of the
// revocation is hit, also if it came after.
func (s *Revocations) Hits(c Caller) bool {
	if s == nil {
		return false
	}
	hit := anyHits(s.subjects[c.Principal], c)
	for _, a := range c.Chain {
		hit = hit || anyHits(s.actors[a.Principal], c)
	}
	if c.Foreign || hit {
		return hit
	}
	hit = anyHits(s.ids[c.ID], c) || anyHits(s.grants[c.Grant], c) || anyHits(s.clients[c.Client], c)
	for _, a := range c.Chain {
		hit = hit || anyHits(s.clients[a.Client], c)
	}
	return hit
}

func anyHits(rs []Revocation, c Caller) bool {
	for _, r := range rs {
		if r.hits(c) {
			return true
		}
	}
	return false
}

func (r Revocation) hits(c Caller) bool {
	switch {
	case r.ID != "" && r.ID != c.ID,
		r.Grant != "" && r.Grant != c.Grant,
		r.Client != "" && r.Client != c.Client && !slices.ContainsFunc(c.Chain, func(a Actor) bool { return a.Client == r.Client }),
		r.Subject != Principal{} && r.Subject != c.Principal,
		r.Actor != Principal{} && !acts(r.Actor, c):
		return false
	}
	return c.Issued.Before(r.NotBefore)
}

func acts(p Principal, c Caller) bool {
	for _, a := range c.Chain {
		if a.Principal == p {
			return true
		}
	}
	return false
}
