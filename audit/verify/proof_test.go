package verify_test

import (
	"bytes"
	"testing"

	"github.com/doorward-mcp/doorward/audit/verify"
)

func TestParseProof(t *testing.T) {
	b, _ := small(t)
	checkpoint := string(b.newest)
	const hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	const head = "c2sp.org/tlog-proof@v1\n"
	for name, text := range map[string]string{
		"without extra": head + "index 7\n" + hash + hash + "\n" + checkpoint,
		"with extra":    head + "extra AAEC\nindex 0\n\n" + checkpoint,
	} {
		p, err := verify.ParseProof([]byte(text))
		if err != nil || string(p.Text()) != text {
			t.Errorf("%s: %v: %s", name, err, p.Text())
		}
	}
	for name, text := range map[string]string{
		"nothing":                      "",
		"another version":              "c2sp.org/tlog-proof@v2\nindex 7\n\n" + checkpoint,
		"no index":                     head + hash + "\n" + checkpoint,
		"an index in another spelling": head + "index 07\n\n" + checkpoint,
		"an index below zero":          head + "index -7\n\n" + checkpoint,
		"extra after the index":        head + "index 7\nextra AAEC\n\n" + checkpoint,
		"extra that is none":           head + "extra AAE\nindex 7\n\n" + checkpoint,
		"a short hash":                 head + "index 7\nAAEC\n\n" + checkpoint,
		"a hash in another spelling":   head + "index 7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n\n" + checkpoint,
		"more hashes than a tree has":  head + "index 7\n" + string(bytes.Repeat([]byte(hash), 64)) + "\n" + checkpoint,
		"no checkpoint":                head + "index 7\n",
	} {
		if _, err := verify.ParseProof([]byte(text)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

func FuzzParseProof(f *testing.F) {
	b, _ := small(f)
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra AAEC\nindex 0\n\n" + string(b.newest)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := verify.ParseProof(text); err == nil && !bytes.Equal(p.Text(), text) {
			t.Errorf("%q is read as %q", text, p.Text())
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	b, _ := small(f)
	f.Add(b.newest)
	f.Add([]byte("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nmore\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := verify.ParseCheckpoint(text)
		if err == nil && !bytes.HasPrefix(text, []byte(c.Text())) {
			t.Errorf("%q is read as %q", text, c.Text())
		}
	})
}
