package audit_test

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/doorward-mcp/doorward/audit"
)

// A secret that stands among very many values is no easier to guess than one that stands alone.
func TestASecretAmongManyCannotBeTried(t *testing.T) {
	many := strings.Repeat(`1,`, 1000) + `1`
	for name, c := range map[string]struct {
		value  string
		secret bool
	}{
		"first":                      {`{"a":{"password":"x"},"b":[` + many + `]}`, true},
		"last":                       {`{"a":[` + many + `],"password":"x"}`, true},
		"none":                       {`{"a":[` + many + `],"b":"x"}`, false},
		"more than anybody looks at": {`{"a":[` + strings.Repeat(`1,`, 10_000) + `1],"b":"x"}`, true},
	} {
		first := sum(t, 1, "r", c.value)
		if again := sum(t, 1, "r", c.value); (first != again) != c.secret {
			t.Errorf("%s: secret %t, want %t", name, first != again, c.secret)
		}
	}
}

// Whatever a caller sends, a commitment is of a few hundred leaves at most: one writer makes those of all callers.
func TestACommitmentIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		most  int
	}{
		"as many as are kept apart": {"[" + strings.Repeat("1,", 255) + "1]", 256},
		"one more":                  {"[" + strings.Repeat("1,", 256) + "1]", 1},
		"empty objects":             {"[" + strings.Repeat("{},", 256) + "{}]", 1},
		"empty arrays":              {"[" + strings.Repeat("[],", 100_000) + "[]]", 1},
	} {
		s, err := audit.Sum([32]byte{1}, "args", "r", jsontext.Value(c.value))
		if err != nil || s.Leaves != c.most {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}
