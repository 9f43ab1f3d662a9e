package cedar

import (
	"bytes"
	"math"
	"math/big"
	"strconv"

	"github.com/cedar-policy/cedar-go/types"
)

// number is a JSON number in the one way to write it: 0.DIGITS times ten to the power of exp. Zero has no digits and no sign, so
// that -0 is 0. It is exact, however long: comparing takes no arithmetic.
type number struct {
	negative bool
	digits   []byte // without zeros at either end
	exp      int
}

// maxExponent bounds what an exponent counts for: beyond it a number is compared as if it had this one.
const maxExponent = 1 << 20

// parseNumber reads a JSON number, RFC 8259 §6. false: it is none. The digits are a part of literal or are appended to buf.
func parseNumber(literal, buf []byte) (n number, ok bool) {
	if len(literal) > 0 && literal[0] == '-' {
		n.negative = true
		literal = literal[1:]
	}
	whole := digitsOf(literal)
	rest := literal[len(whole):]
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return n, false
	}
	n.digits, n.exp = whole, len(whole)
	if len(rest) > 0 && rest[0] == '.' {
		fraction := digitsOf(rest[1:])
		rest = rest[1+len(fraction):]
		if len(fraction) == 0 {
			return n, false
		}
		n.digits = append(append(buf[:0], whole...), fraction...)
	}
	if len(rest) > 0 {
		exp, ok := parseExponent(rest)
		if !ok {
			return n, false
		}
		n.exp += exp
	}
	trimmed := bytes.TrimLeft(n.digits, "0")
	n.exp -= len(n.digits) - len(trimmed)
	n.digits = bytes.TrimRight(trimmed, "0")
	if len(n.digits) == 0 {
		return number{}, true
	}
	return n, true
}

func digitsOf(b []byte) []byte {
	i := 0
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return b[:i]
}

func parseExponent(b []byte) (exp int, ok bool) {
	if b[0] != 'e' && b[0] != 'E' {
		return 0, false
	}
	b = b[1:]
	negative := len(b) > 0 && b[0] == '-'
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	if len(b) == 0 || len(digitsOf(b)) != len(b) {
		return 0, false
	}
	for _, c := range b {
		exp = min(10*exp+int(c-'0'), maxExponent)
	}
	if negative {
		exp = -exp
	}
	return exp, true
}

// compare is -1, 0 or 1.
func (n number) compare(m number) int {
	switch {
	case len(n.digits) == 0 && len(m.digits) == 0:
		return 0
	case len(n.digits) == 0:
		return m.sign() * -1
	case len(m.digits) == 0 || n.negative != m.negative:
		return n.sign()
	case n.exp != m.exp:
		if n.exp < m.exp {
			return -n.sign()
		}
		return n.sign()
	}
	return bytes.Compare(n.digits, m.digits) * n.sign()
}

func (n number) sign() int {
	if n.negative {
		return -1
	}
	return 1
}

func (n number) integer() bool { return n.exp >= len(n.digits) }

// scaled is the number times ten to the power of places. false: that is no integer of 64 bits.
func (n number) scaled(places int) (int64, bool) {
	exp := n.exp + places
	if exp < len(n.digits) || exp > 19 {
		return 0, len(n.digits) == 0
	}
	var u uint64
	for i := range exp {
		digit := uint64(0)
		if i < len(n.digits) {
			digit = uint64(n.digits[i] - '0')
		}
		if u > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		u = 10*u + digit
	}
	switch {
	case n.negative && u <= 1<<63:
		return -int64(u), true
	case !n.negative && u < 1<<63:
		return int64(u), true
	}
	return 0, false
}

// surely are the digits up to which every decimal has a double of its own.
const surely = 15

// exact reports whether every reader that has only doubles reads the same number: the shortest way to write its double is the
// number again. Of an integer the double's own value must be it too, for some readers make an integer of it.
func (n number) exact(literal []byte) bool {
	if len(n.digits) <= surely && n.exp <= surely && n.exp > -300 {
		return true
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return false
	}
	shortest, _ := parseNumber(strconv.AppendFloat(nil, f, 'e', -1, 64), nil)
	if n.compare(shortest) != 0 {
		return false
	}
	v, fits := n.scaled(0)
	return !n.integer() || fits && math.Abs(f) < 1<<63 && int64(f) == v
}

// long is the number as Cedar's Long. false: it does not hold it, or a double does not.
func (n number) long(literal []byte) (types.Long, bool) {
	v, ok := n.scaled(0)
	return types.Long(v), ok && n.exact(literal)
}

// decimal is the number as Cedar's decimal, which has four places. false: it does not hold it, or a double does not.
func (n number) decimal(literal []byte) (types.Decimal, bool) {
	v, ok := n.scaled(4)
	if !ok || !n.exact(literal) {
		return types.Decimal{}, false
	}
	d, err := types.NewDecimal(v, -4)
	return d, err == nil
}

// maxDivided bounds the digits of what multipleOf divides: more than two doubles can be apart.
const maxDivided = 1100

// multipleOf is JSON Schema's, validation §6.2.1, without the rounding of a division of doubles.
func (n number) multipleOf(m number) bool {
	if a, ok := n.scaled(0); ok {
		if b, ok := m.scaled(0); ok && b != 0 {
			return a%b == 0
		}
	}
	apart := (n.exp - len(n.digits)) - (m.exp - len(m.digits))
	if len(n.digits) == 0 {
		return true
	}
	if len(n.digits) > maxDivided || len(m.digits) > maxDivided || max(apart, -apart) > maxDivided {
		return false
	}
	a, _ := new(big.Int).SetString(string(n.digits), 10)
	b, _ := new(big.Int).SetString(string(m.digits), 10)
	by := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(apart, -apart))), nil)
	if apart >= 0 {
		a.Mul(a, by)
	} else {
		b.Mul(b, by)
	}
	return b.Sign() != 0 && new(big.Int).Rem(a, b).Sign() == 0
}
