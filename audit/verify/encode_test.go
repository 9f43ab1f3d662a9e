package verify_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// Records are what encoding/json makes of them: whoever reads one needs nothing of ours. Values are made by reflection, so that a
// field that Encode does not know of is found.
func TestEncodeIsEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := append([]string{"", "", "a", "https://agent.example/client.json?a=1&b=<c>"}, odd...)
	for range 20_000 {
		var e verify.Entry
		vary(reflect.ValueOf(&e).Elem(), r, texts)
		sameAsJSON(t, &e)
	}
}

// Each field by itself makes a difference: none is left out, and none is written under another's name.
func TestEncodeWritesEachField(t *testing.T) {
	var e verify.Entry
	fill(t, reflect.ValueOf(&e).Elem(), &e, "text")
	sameAsJSON(t, &e)
}

var odd = []string{"\"", "\\", "\x00\x01\b\f\n\r\t\x1f", "\x7f", "<script>&amp;", "ä€😀", "\u2028\u2029", "\xff\xc0\x80", "a\xe2\x82", "\ufffd", "\xed\xa0\x80", strings.Repeat("long ", 1000)}

func FuzzEncode(f *testing.F) {
	for _, s := range odd {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var e verify.Entry
		fill(t, reflect.ValueOf(&e).Elem(), nil, s)
		sameAsJSON(t, &e)
	})
}

func sameAsJSON(t *testing.T, e *verify.Entry) {
	t.Helper()
	want, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := verify.Encode(e)
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v\n%s\nis not\n%s", err, got, want)
	}
}

// vary sets every field to something, which may be zero.
func vary(v reflect.Value, r *rand.Rand, texts []string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 42, 1<<63 - 1, -1 << 63}[r.IntN(6)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Pointer:
		if r.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			vary(v.Elem(), r, texts)
		}
	case reflect.Slice:
		n := r.IntN(4) - 1 // -1: nil
		if n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range max(n, 0) {
			vary(v.Index(i), r, texts)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			vary(v.Field(i), r, texts)
		}
	default:
		panic("a field of a kind that is not made here: " + v.Type().String())
	}
}

// fill sets every field to something that is not zero, and looks at whole after each.
func fill(t *testing.T, v reflect.Value, whole *verify.Entry, text string) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), whole, text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), whole, text)
		fill(t, v.Index(1), whole, text)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), whole, text)
		}
	default:
		t.Fatalf("a field of a kind that is not made here: %v", v.Type())
	}
	if whole != nil {
		sameAsJSON(t, whole)
	}
}
