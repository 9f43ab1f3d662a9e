package verify_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/doorward-mcp/doorward/audit/verify"
)

func policy(t testing.TB, text string) *verify.Policy {
	t.Helper()
	p, err := verify.ReadPolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPolicy reads files as C2SP tlog-policy has them.
func TestPolicy(t *testing.T) {
	x1, x2, y1, k := newWitness(t, "x1.example"), newWitness(t, "x2.example"), newWitness(t, "y1.example"), newKey(t)
	lines := "witness X1 " + x1.vkey() + " https://x1.example/\nwitness X2\t" + x2.vkey() + "\n\n  # a comment\nwitness Y1 " + y1.vkey() + "\nlog " + k.vkey + " https://log.example/\n"
	for name, c := range map[string]struct {
		quorum string
		by     []witness
		met    bool
	}{
		"none":                     {"quorum none", nil, true},
		"one":                      {"quorum X1", []witness{x1}, true},
		"another than asked":       {"quorum X1", []witness{x2}, false},
		"any":                      {"group g any X1 X2\nquorum g", []witness{x2}, true},
		"all but one":              {"group g all X1 X2\nquorum g", []witness{x2}, false},
		"all":                      {"group g all X1 X2\nquorum g", []witness{x1, x2}, true},
		"two of three":             {"group g 2 X1 X2 Y1\nquorum g", []witness{x1, y1}, true},
		"two of three but one":     {"group g 2 X1 X2 Y1\nquorum g", []witness{y1}, false},
		"groups of groups":         {"group g any X1 X2\ngroup h all g Y1\nquorum h", []witness{x2, y1}, true},
		"groups of groups but one": {"group g any X1 X2\ngroup h all g Y1\nquorum h", []witness{x1, x2}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy(t, lines+c.quorum+"\n")
			if len(p.Logs) != 1 || len(p.Witnesses) != 3 || p.Witnesses[0].URL != "https://x1.example/" || p.Witnesses[0].Name != "X1" {
				t.Errorf("read %+v", p)
			}
			b, _ := small(t)
			signers := []note.Signer{k}
			for _, w := range c.by {
				signers = append(signers, w)
			}
			n, err := verify.OpenNote(b.sign(signers...), note.VerifierList(append(p.Cosigners(), p.Logs[0].Key)...))
			if err != nil {
				t.Fatal(err)
			}
			if p.Met(n.Sigs) != c.met {
				t.Errorf("met is %v", !c.met)
			}
		})
	}
	for name, c := range map[string]struct{ text, words string }{
		"no quorum":                    {lines, "no quorum"},
		"two quorums":                  {lines + "quorum none\nquorum none", "line 8: a second quorum"},
		"a name that comes later":      {"quorum X1\n" + lines, "line 1: no line before"},
		"a name twice":                 {lines + "witness X1 " + newWitness(t, "z").vkey() + "\nquorum X1", "taken"},
		"a group of a witness's name":  {lines + "group X1 any X2\nquorum X1", "taken"},
		"the name none":                {lines + "group none any X2\nquorum none", "taken"},
		"none as a member":             {lines + "group g any none\nquorum g", "no line before"},
		"a witness twice":              {lines + "witness Z " + x1.vkey() + "\nquorum X1", "twice"},
		"a log twice":                  {lines + "log " + k.vkey + "\nquorum X1", "twice"},
		"a member of two groups":       {lines + "group g any X1\ngroup h any X1\nquorum g", "a member twice"},
		"more than there are":          {lines + "group g 3 X1 X2\nquorum g", "cannot be asked for"},
		"none at all":                  {lines + "group g 0 X1 X2\nquorum g", "cannot be asked for"},
		"a number in another spelling": {lines + "group g 01 X1 X2\nquorum g", "cannot be asked for"},
		"a group of nobody":            {lines + "group g any\nquorum g", "no line of a policy"},
		"a log's key for a witness":    {"witness X " + k.vkey + "\nquorum X", "not one that cosigns"},
		"a witness's key for a log":    {"log " + x1.vkey() + "\nquorum none", "the log's key"},
		"a key that is none":           {"witness X x+00000000+AAAA\nquorum X", "not a verifier key"},
		"a control character":          {lines + "quorum none\r\n", "control"},
		"an unknown line":              {lines + "quorums none", "no line of a policy"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify.ReadPolicy([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("want an error with %q, got %v", c.words, err)
			}
		})
	}
	if (&verify.Policy{}).Met(nil) {
		t.Error("the zero policy was met")
	}
}

func TestWitnessed(t *testing.T) {
	w := newWitness(t, "witness.example/w")
	p := policy(t, "witness w "+w.vkey()+"\nquorum w\n")
	t.Run("to the end", func(t *testing.T) {
		b, k := small(t)
		b.earlier = b.earlier[:0]
		b.sign(k, w)
		r := check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Witnesses: p})
		sound(t, r, 0)
		if r.Witnessed != 8 {
			t.Errorf("witnessed to %d", r.Witnessed)
		}
	})
	t.Run("too long ago", func(t *testing.T) {
		b, k := small(t)
		b.sign(k, w)
		b.now = b.now.Add(20 * time.Minute)
		b.act("n/b", "x")
		b.sign(k)
		found(t, check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Witnesses: p}), 8, "no quorum has witnessed what follows")
		sound(t, check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Witnesses: p, Unwitness: time.Hour}), 0)
	})
	t.Run("by nobody", func(t *testing.T) {
		b, k := small(t)
		found(t, check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Witnesses: p}), 0, "no checkpoint has the cosignatures")
	})
	t.Run("with a signature that is not theirs", func(t *testing.T) {
		b, k := small(t)
		evil := w
		evil.private = newWitness(t, "x").private
		b.sign(k, liar{evil, w.KeyHash()})
		found(t, check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Witnesses: p}), -1, "no signature that can be verified")
	})
	t.Run("at no time", func(t *testing.T) {
		b, k := small(t)
		w.at = time.Unix(0, 0)
		b.sign(k, w)
		found(t, check(t, b.dir(), verify.Options{Keys: []string{k.vkey}, Witnesses: p}), -1, "no signature that can be verified")
	})
	t.Run("the policy's log is as good as a pinned key", func(t *testing.T) {
		b, k := small(t)
		w.at = time.Unix(1_790_000_000, 0)
		b.sign(k, w)
		r := check(t, b.dir(), verify.Options{Witnesses: policy(t, "log "+k.vkey+"\nwitness w "+w.vkey()+"\nquorum w\n")})
		sound(t, r, 0)
		if !r.Pinned {
			t.Error("the policy's log does not count as pinned")
		}
	})
}

// liar signs with another key than its id says.
type liar struct {
	witness
	hash uint32
}

func (l liar) KeyHash() uint32 { return l.hash }

func FuzzReadPolicy(f *testing.F) {
	w := newWitness(f, "w.example")
	f.Add("witness w " + w.vkey() + "\ngroup g 1 w\nquorum g\n")
	f.Add("log x+00+y\nquorum none\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := verify.ReadPolicy([]byte(text))
		if err == nil && !strings.Contains(text, "none") && p.Met(nil) {
			t.Errorf("%q is met by nothing", text)
		}
	})
}
