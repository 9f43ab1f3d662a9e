package verify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Policy says which logs count and which witnesses must have cosigned (C2SP tlog-policy). Logs and witnesses stand in the
// order of the file. The zero Policy is met by nothing.
type Policy struct {
	Logs      []Known
	Witnesses []Known

	groups map[string]group // :: name of a witness or group → what meets it
	quorum string
	keys   map[string]bool // bytes of each key that was named
	member map[string]bool // names that are in a group
}

// Known is a log or witness of a policy. Name is the policy's word for a witness, which is not its key's name; URL may be empty.
type Known struct {
	Name, URL string
	VKey      string // as it stands in the file
	Key       note.Verifier
}

// group is met by k of its members; a witness is a group without members.
type group struct {
	k       int
	members []string
	key     note.Verifier
}

const none = "none"

// ReadPolicy reads a policy file. Its errors name the line.
func ReadPolicy(file []byte) (*Policy, error) {
	p := &Policy{groups: map[string]group{}, keys: map[string]bool{}, member: map[string]bool{}}
	for i, line := range strings.Split(string(file), "\n") {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("reading a witness policy: line %d: %w", i+1, err)
		}
	}
	if p.quorum == "" {
		return nil, errors.New("reading a witness policy: it has no quorum line")
	}
	return p, nil
}

func (p *Policy) line(line string) error {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("a control character")
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return nil
	}
	switch what := words[0]; {
	case what == "log" && (len(words) == 2 || len(words) == 3):
		return p.log(words[1], optional(words, 2))
	case what == "witness" && (len(words) == 3 || len(words) == 4):
		return p.witness(words[1], words[2], optional(words, 3))
	case what == "group" && len(words) >= 4:
		return p.group(words[1], words[2], words[3:])
	case what == "quorum" && len(words) == 2:
		return p.setQuorum(words[1])
	default:
		return fmt.Errorf("%q is no line of a policy", what)
	}
}

func optional(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return ""
}

func (p *Policy) log(vkey, url string) error {
	key, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("the log's key: %w", err)
	}
	p.Logs = append(p.Logs, Known{Name: key.Name(), URL: url, VKey: vkey, Key: key})
	return p.once("log", vkey)
}

func (p *Policy) witness(name, vkey, url string) error {
	key, err := Cosigner(vkey)
	if err != nil {
		return fmt.Errorf("witness %s: %w", name, err)
	}
	p.Witnesses = append(p.Witnesses, Known{Name: name, URL: url, VKey: vkey, Key: key})
	if err := p.once("witness", vkey); err != nil {
		return err
	}
	return p.define(name, group{key: key})
}

// once refuses a second line with the same public key, whatever its name is.
func (p *Policy) once(what, vkey string) error {
	_, _, material, err := splitKey(vkey)
	if err != nil {
		return err
	}
	id := what + string(material[1:])
	if p.keys[id] {
		return fmt.Errorf("this %s's key stands there twice", what)
	}
	p.keys[id] = true
	return nil
}

func (p *Policy) define(name string, g group) error {
	if _, there := p.groups[name]; there || name == none {
		return fmt.Errorf("the name %s is taken", name)
	}
	p.groups[name] = g
	return nil
}

func (p *Policy) group(name, threshold string, members []string) error {
	for _, m := range members {
		if _, there := p.groups[m]; !there {
			return fmt.Errorf("no line before this one defines %s", m)
		}
		// C2SP tlog-policy: each defined name can be listed as a group member at most once.
		if p.member[m] {
			return fmt.Errorf("%s is a member twice", m)
		}
		p.member[m] = true
	}
	k, err := strconv.Atoi(threshold)
	switch {
	case threshold == "all":
		k = len(members)
	case threshold == "any":
		k = 1
	case err != nil || strconv.Itoa(k) != threshold || k < 1 || k > len(members):
		return fmt.Errorf("%q of %d members cannot be asked for", threshold, len(members))
	}
	return p.define(name, group{k: k, members: members})
}

func (p *Policy) setQuorum(name string) error {
	if p.quorum != "" {
		return errors.New("a second quorum line")
	}
	if _, there := p.groups[name]; !there && name != none {
		return fmt.Errorf("no line before this one defines %s", name)
	}
	p.quorum = name
	return nil
}

// Met is whether the signatures of a note, each of which has been verified, make the quorum.
func (p *Policy) Met(verified []note.Signature) bool {
	return p.quorum == none || p.met(p.quorum, verified)
}

func (p *Policy) met(name string, verified []note.Signature) bool {
	g, there := p.groups[name]
	if !there {
		return false
	}
	if g.key != nil {
		for _, s := range verified {
			if s.Name == g.key.Name() && s.Hash == g.key.KeyHash() {
				return true
			}
		}
		return false
	}
	n := 0
	for _, m := range g.members {
		if p.met(m, verified) {
			n++
		}
	}
	return n >= g.k
}

// Cosigners are the verifiers of all witnesses.
func (p *Policy) Cosigners() []note.Verifier {
	all := make([]note.Verifier, len(p.Witnesses))
	for i, w := range p.Witnesses {
		all[i] = w.Key
	}
	return all
}
