package audit_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/doorward-mcp/doorward/audit"
)

func sum(t testing.TB, key byte, record, value string, pointers ...string) string {
	t.Helper()
	s, err := audit.Sum([32]byte{key}, "args", record, jsontext.Value(value), pointers...)
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return s.Root
}

// A commitment holds one value of one record of one subject, however it is written.
func TestACommitmentHoldsOneValue(t *testing.T) {
	const value = `{"id":42,"who":{"name":"alice","tags":["a",null,true]},"empty":{},"none":[]}`
	want := sum(t, 1, "r", value)
	for _, same := range []string{` { "who" : {"tags":["a", null,true], "name":"\u0061lice"},"none":[ ],"empty":{ }, "id":4.2e1}`} {
		if got := sum(t, 1, "r", same); got != want {
			t.Errorf("%s: another commitment", same)
		}
	}
	for name, got := range map[string]string{
		"another number":    sum(t, 1, "r", strings.Replace(value, "42", "43", 1)),
		"another place":     sum(t, 1, "r", strings.Replace(value, `"id":42`, `"ID":42`, 1)),
		"text for a number": sum(t, 1, "r", strings.Replace(value, "42", `"42"`, 1)),
		"null for nothing":  sum(t, 1, "r", strings.Replace(value, `"id":42,`, `"id":42,"x":null,`, 1)),
		"another order":     sum(t, 1, "r", strings.Replace(value, `["a",null,true]`, `[null,"a",true]`, 1)),
		"an empty array":    sum(t, 1, "r", strings.Replace(value, `"empty":{}`, `"empty":[]`, 1)),
		"another record":    sum(t, 1, "s", value),
		"another subject":   sum(t, 2, "r", value),
		"deeper":            sum(t, 1, "r", `{"a":`+value+`}`),
	} {
		if got == want {
			t.Errorf("%s: the same commitment", name)
		}
	}
}

// Nobody can try guesses against a commitment to a secret, not even with the subject's key: it is another one each time.
func TestASecretsCommitmentCannotBeTried(t *testing.T) {
	for _, c := range []struct {
		value    string
		pointers []string
		secret   bool
	}{
		{`{"password":"x"}`, nil, true},
		{`{"user":{"apiKey":"x"}}`, nil, true},
		{`{"headers":{"Authorization":["x"]}}`, nil, true},
		{`{"note":"x"}`, []string{"/note"}, true},
		{`{"note":{"a":["x"]}}`, []string{"/note"}, true},
		{`{"notes":"x"}`, []string{"/note"}, false},
		{`{"pink":"x"}`, nil, false},
		{`{"pin":"x"}`, nil, true},
	} {
		first := sum(t, 1, "r", c.value, c.pointers...)
		if again := sum(t, 1, "r", c.value, c.pointers...); (first != again) != c.secret {
			t.Errorf("%s: secret %t, want %t", c.value, first != again, c.secret)
		}
	}
}

// What has very many leaves is committed to as a whole.
func TestACommitmentToMuch(t *testing.T) {
	many := "[" + strings.Repeat("1,", 1000) + "1]"
	s, err := audit.Sum([32]byte{1}, "args", "r", jsontext.Value(many))
	if err != nil || s.Leaves != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if sum(t, 1, "r", many) == sum(t, 1, "r", strings.Replace(many, "1,1,", "1,2,", 1)) {
		t.Error("another array has the same commitment")
	}
}

// Two different values have different commitments, whatever they are.
func TestCommitmentsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Custom(func(t *rapid.T) string { return text(t, 3) })
		a, b := jsontext.Value(value.Draw(t, "a")), jsontext.Value(value.Draw(t, "b"))
		x, err := audit.Sum([32]byte{}, "args", "r", a)
		if err != nil {
			t.Fatal(err)
		}
		y, err := audit.Sum([32]byte{}, "args", "r", b)
		if err != nil {
			t.Fatal(err)
		}
		ca, cb := a.Clone(), b.Clone()
		if ca.Canonicalize() != nil || cb.Canonicalize() != nil {
			t.Fatal("no JSON")
		}
		if (x.Root == y.Root) != (string(ca) == string(cb)) {
			t.Errorf("%s and %s: %s and %s", a, b, x.Root, y.Root)
		}
	})
}

func text(t *rapid.T, depth int) string {
	kinds := 4
	if depth > 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{"0", "1", "-1.5", "1e3"}).Draw(t, "number")
	case 1:
		return rapid.SampledFrom([]string{`""`, `"a"`, `"{}"`, `"/"`, `"~"`}).Draw(t, "string")
	case 2:
		return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")
	case 3:
		return rapid.SampledFrom([]string{"{}", "[]"}).Draw(t, "empty")
	case 4:
		var all []string
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			all = append(all, text(t, depth-1))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	var all []string
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "a/b", "~", ""}), 0, 3, rapid.ID).Draw(t, "names") {
		all = append(all, `"`+name+`":`+text(t, depth-1))
	}
	return "{" + strings.Join(all, ",") + "}"
}
