package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Encode gives the bytes that are kept: those of encoding/json for the same Entry, written out by hand because the one writer of
// the log does this for each record. TestEncodeIsEncodingJSON holds the two together, for every field. It is deterministic.
func Encode(e *Entry) ([]byte, error) {
	if e == nil {
		return nil, fmt.Errorf("encoding an audit record: there is none")
	}
	var room [2048]byte
	w := object{room[:0]}
	w.entry(e)
	return bytes.Clone(w.b), nil
}

// object appends JSON. Members follow in the order of their fields; a zero one that may be left out is.
type object struct{ b []byte }

func (w *object) entry(e *Entry) {
	w.open()
	w.number("v", int64(e.V))
	w.text("id", e.ID)
	w.text("code", e.Code)
	w.text("phase", e.Phase)
	w.text("t", e.Time)
	w.text("node", e.Node)
	w.text("boot", e.Boot)
	w.number("seq", e.Seq)
	w.some("request", e.Request)
	w.some("trace", e.Trace)
	if e.Subject != nil {
		w.name("subject")
		w.subject(e.Subject)
	}
	list(w, "chain", e.Chain, w.actor)
	w.count("omitted", int64(e.Omitted))
	w.some("client", e.Client)
	w.some("grant", e.Grant)
	list(w, "tokens", e.Tokens, w.token)
	w.some("about", e.About)
	w.some("name", e.Name)
	w.some("server", e.Server)
	w.some("proto", e.Proto)
	list(w, "calls", e.Calls, w.call)
	w.count("more", int64(e.More))
	w.flag("cut", e.Cut)
	if e.Policy != nil {
		w.name("policy")
		w.decision(e.Policy)
	}
	w.some("net", e.Net)
	w.some("result", e.Result)
	w.some("reason", e.Reason)
	w.texts("scopes", e.Scopes)
	w.some("task", e.Task)
	w.count("us", e.Micros)
	w.sum("answer", e.Answer)
	w.count("count", int64(e.Count))
	if e.Notice != nil {
		w.name("notice")
		w.note(e.Notice)
	}
	w.some("sealed", e.Sealed)
	w.close()
}

func (w *object) subject(s *Subject) {
	w.open()
	w.text("pid", s.Pseudonym)
	w.some("acr", s.ACR)
	w.some("auth_time", s.SignedIn)
	w.close()
}

func (w *object) actor(a *Actor) {
	w.open()
	w.some("pid", a.Pseudonym)
	w.some("client", a.Client)
	w.text("how", a.How)
	w.name("verified")
	w.b = strconv.AppendBool(w.b, a.Verified)
	w.close()
}

func (w *object) token(t *Token) {
	w.open()
	w.text("kind", t.Kind)
	w.some("jti", t.ID)
	w.some("h", t.Hash)
	w.flag("foreign", t.Foreign)
	w.texts("scopes", t.Scopes)
	w.some("exp", t.Expires)
	w.some("cnf", t.Key)
	w.close()
}

func (w *object) call(c *Call) {
	w.open()
	w.some("method", c.Method)
	w.some("name", c.Name)
	w.some("name_c", c.NameSum)
	w.some("def", c.Definition)
	w.sum("args", c.Args)
	w.close()
}

func (w *object) decision(d *Decision) {
	w.open()
	w.text("verdict", d.Verdict)
	w.some("code", d.Code)
	w.some("bundle", d.Bundle)
	w.texts("rules", d.Rules)
	w.texts("obligations", d.Obligations)
	list(w, "shadow", d.Shadow, w.shadow)
	w.close()
}

func (w *object) shadow(s *Shadow) {
	w.open()
	w.some("live", s.Live)
	w.text("verdict", s.Verdict)
	w.some("code", s.Code)
	w.some("bundle", s.Bundle)
	w.texts("rules", s.Rules)
	w.close()
}

func (w *object) note(n *Note) {
	w.open()
	w.count("from", n.From)
	w.count("to", n.To)
	w.some("root", n.Root)
	w.some("old", n.Old)
	w.some("new", n.New)
	w.some("signed", n.Signed)
	w.close()
}

func (w *object) sum(name string, s *Sum) {
	if s == nil {
		return
	}
	w.name(name)
	w.open()
	w.text("root", s.Root)
	w.number("n", int64(s.Leaves))
	w.close()
}

func (w *object) open()  { w.b = append(w.b, '{') }
func (w *object) close() { w.b = append(w.b, '}') }

// name begins a member. Names of the schema need no escapes.
func (w *object) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

func (w *object) text(name, value string) {
	w.name(name)
	w.string(value)
}

func (w *object) some(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *object) number(name string, n int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *object) count(name string, n int64) {
	if n != 0 {
		w.number(name, n)
	}
}

func (w *object) flag(name string, set bool) {
	if set {
		w.name(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *object) texts(name string, all []string) {
	list(w, name, all, func(s *string) { w.string(*s) })
}

func list[T any](w *object, name string, all []T, one func(*T)) {
	if len(all) == 0 {
		return
	}
	w.name(name)
	for i := range all {
		w.b = append(w.b, "[,"[min(i, 1)])
		one(&all[i])
	}
	w.b = append(w.b, ']')
}

// string appends a text. One that encoding/json would escape, or that is not plain ASCII, it escapes itself.
func (w *object) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string has no error
			w.b = append(w.b, quoted...)
			return
		}
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, s...)
	w.b = append(w.b, '"')
}
