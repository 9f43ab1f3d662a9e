package cedar

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// literals are JSON numbers in all the ways to write them.
var literals = rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?`)

// Numbers compare, divide and become Longs as numbers do, however they are written. JSON Schema 2020-12 core §4.2.1, validation §6.2.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := literals.Draw(t, "a"), literals.Draw(t, "b")
		n, ok := parseNumber([]byte(a), nil)
		m, also := parseNumber([]byte(b), nil)
		if !ok || !also {
			t.Fatalf("%s, %s: %t, %t", a, b, ok, also)
		}
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if n.compare(m) != x.Cmp(y) || m.compare(n) != y.Cmp(x) || n.compare(n) != 0 {
			t.Errorf("%s and %s compare as %d", a, b, n.compare(m))
		}
		if n.integer() != x.IsInt() {
			t.Errorf("%s is an integer: %t", a, n.integer())
		}
		if v, fits := n.scaled(4); fits != fitsLong(x, 10_000) || fits && new(big.Rat).SetFrac64(v, 10_000).Cmp(x) != 0 {
			t.Errorf("%s times 10000 is %d, %t", a, v, fits)
		}
		if y.Sign() != 0 && n.multipleOf(m) != new(big.Rat).Quo(x, y).IsInt() {
			t.Errorf("%s is a multiple of %s: %t", a, b, n.multipleOf(m))
		}
		if string(n.canonical(nil)) == string(m.canonical(nil)) != (x.Cmp(y) == 0) {
			t.Errorf("%s and %s in canonical form: %s, %s", a, b, n.canonical(nil), m.canonical(nil))
		}
	})
}

func fitsLong(x *big.Rat, times int64) bool {
	scaled := new(big.Rat).Mul(x, new(big.Rat).SetInt64(times))
	return scaled.IsInt() && scaled.Num().IsInt64()
}

// What rules read as an exact number, a reader with doubles has too: as an integer, and written again.
func TestExactNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := literals.Draw(t, "a")
		n, _ := parseNumber([]byte(a), nil)
		if !n.exact([]byte(a)) {
			return
		}
		var f float64
		if _, err := fmt.Sscan(a, &f); err != nil {
			t.Fatal(err)
		}
		again, ok := new(big.Rat).SetString(fmt.Sprint(f))
		x, _ := new(big.Rat).SetString(a)
		if !ok || again.Cmp(x) != 0 {
			t.Errorf("%s is written %v by who has only doubles", a, f)
		}
		if v, fits := n.long([]byte(a)); fits && int64(f) != int64(v) {
			t.Errorf("%s is %d to who makes an integer of a double", a, int64(f))
		}
	})
}

// A number that is none is refused.
func TestParseNumber(t *testing.T) {
	for _, literal := range []string{"", "-", "+1", "01", "-01", ".5", "1.", "1.e1", "1e", "1e+", "1e1.5", "0x1", "1_0", "Infinity", "1-", "1 "} {
		if _, ok := parseNumber([]byte(literal), nil); ok {
			t.Errorf("%q is read", literal)
		}
	}
}
