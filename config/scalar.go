package config

import (
	"encoding"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

func (d decoder) scalar(path string, n ast.Node, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s, ok := d.word(path, n); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.wrong(path, n, "it must be true or false")
			return
		}
		d.seen(path, n)
		v.SetBool(b.Value)
	case reflect.Int, reflect.Int32, reflect.Int64:
		d.number(path, n, v)
	default:
		panic("config: a member of a kind that no file has: " + v.Type().String())
	}
}

// number reads a whole number above zero: every number here is a size, a rate or a count.
func (d decoder) number(path string, n ast.Node, v reflect.Value) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		d.wrong(path, n, "it must be a whole number")
		return
	}
	d.seen(path, n)
	var got int64
	switch value := i.Value.(type) {
	case int64:
		got = value
	case uint64:
		got = int64(min(value, math.MaxInt64))
	}
	if got <= 0 || got > math.MaxInt32 {
		d.p.add(path, "it must be between 1 and %d; leave it out for the default", math.MaxInt32)
		return
	}
	v.SetInt(got)
}

func (d decoder) duration(path string, n ast.Node, v reflect.Value) {
	s, ok := n.(*ast.StringNode)
	if !ok {
		d.wrong(path, n, "it must be a duration with its unit, such as 30s, 10m, 12h or 90d")
		return
	}
	d.seen(path, n)
	length, err := parseDuration(s.Value)
	switch {
	case err != nil:
		d.p.add(path, "it is not a duration, such as 30s, 10m, 12h or 90d")
	case length <= 0:
		d.p.add(path, "it must be longer than nothing; leave it out for the default")
	default:
		v.SetInt(int64(length))
	}
}

const day = 24 * time.Hour

// parseDuration reads a duration as Go writes it, with days before it: 30d, 1d12h.
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || rest == "" {
		return time.Duration(n) * day, err
	}
	d, err := time.ParseDuration(rest)
	if d < 0 || d >= day {
		return 0, strconv.ErrRange
	}
	return time.Duration(n)*day + d, err
}

// formatDuration is the shortest way to write d that parseDuration reads.
func formatDuration(d time.Duration) string {
	days := ""
	if n := d / day; n > 0 && n <= math.MaxUint16 {
		days, d = strconv.FormatInt(int64(n), 10)+"d", d%day
		if d == 0 {
			return days
		}
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return days + s
}

// text reads a value of a type that reads itself.
func (d decoder) text(path string, n ast.Node, into encoding.TextUnmarshaler) {
	s, ok := d.word(path, n)
	if !ok {
		return
	}
	if err := into.UnmarshalText([]byte(s)); err != nil {
		if _, prefix := into.(*netip.Prefix); prefix {
			d.p.add(path, "%s is not a network, such as 10.0.0.0/8 or 2001:db8::/32", printable(s))
			return
		}
		d.p.add(path, "%v", err)
	}
}
