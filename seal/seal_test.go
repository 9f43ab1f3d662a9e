package seal_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/doorward-mcp/doorward/seal"
)

// vector is "the secret of version one", sealed for "test/vector" under a key of 32 bytes 7.
const vector = "AZJSzd3FdaAkQDn5UC6MfPSHleJcF6X/NlZNZixzooNQiYJlXgjHt/27+GmJt4+7HCacDa0aqc7h3DVCzy8KC8PDMzEAp2TzJV8="

func newBox(t testing.TB, fill byte) *seal.Box {
	t.Helper()
	b, err := seal.New(bytes.Repeat([]byte{fill}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatWasSealedOpens(t *testing.T) {
	b := newBox(t, 1)
	for _, plain := range []string{"", "x", strings.Repeat("a long secret ", 1000)} {
		for _, context := range []string{"", "grant/secret/17"} {
			sealed, err := b.Seal([]byte(plain), []byte(context))
			if err != nil {
				t.Fatal(err)
			}
			if len(plain) > 16 && bytes.Contains(sealed, []byte(plain)) {
				t.Error("the envelope holds the plain text")
			}
			if len(sealed) != len(plain)+49 {
				t.Errorf("the envelope of %d bytes has %d", len(plain), len(sealed))
			}
			got, err := b.Open(sealed, []byte(context))
			if err != nil || string(got) != plain {
				t.Errorf("Open(Seal(%.20q)) = %.20q, %v", plain, got, err)
			}
		}
	}
}

// A vector fixes the format: what an earlier release sealed must open in every later one.
func TestEnvelopeOfVersionOneStillOpens(t *testing.T) {
	sealed, err := base64.StdEncoding.DecodeString(vector)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newBox(t, 7).Open(sealed, []byte("test/vector"))
	if err != nil || string(got) != "the secret of version one" {
		t.Errorf("Open = %q, %v", got, err)
	}
}

func TestTwoSealsOfOneTextDiffer(t *testing.T) {
	b := newBox(t, 1)
	first, _ := b.Seal([]byte("same"), nil)
	second, _ := b.Seal([]byte("same"), nil)
	if bytes.Equal(first, second) || bytes.Equal(first[5:33], second[5:33]) {
		t.Error("salt and nonce repeat")
	}
}

func TestMovedOrAlteredDataIsRefused(t *testing.T) {
	b := newBox(t, 1)
	context := []byte("grant/secret/17")
	sealed, err := b.Seal([]byte("secret"), context)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(name string, data, context []byte, want error) {
		t.Helper()
		if got, err := b.Open(data, context); !errors.Is(err, want) || got != nil {
			t.Errorf("%s: Open = %q, %v; want %v", name, got, err, want)
		}
	}
	refuse("another row", sealed, []byte("grant/secret/18"), seal.ErrTampered)
	refuse("no context", sealed, nil, seal.ErrTampered)
	refuse("empty", nil, context, seal.ErrTampered)
	for n := range sealed {
		refuse(fmt.Sprintf("cut to %d", n), sealed[:n], context, seal.ErrTampered)
		altered := bytes.Clone(sealed)
		altered[n] ^= 1
		want := seal.ErrTampered
		if n >= 1 && n < 5 {
			want = seal.ErrWrongKey
		}
		refuse(fmt.Sprintf("bit flipped in byte %d", n), altered, context, want)
	}
	refuse("longer", append(bytes.Clone(sealed), 0), context, seal.ErrTampered)
}

func TestAReplacedKeyIsRecognised(t *testing.T) {
	sealed, err := newBox(t, 1).Seal([]byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newBox(t, 2).Open(sealed, nil)
	if !errors.Is(err, seal.ErrWrongKey) || errors.Is(err, seal.ErrTampered) {
		t.Errorf("Open under another key: %v", err)
	}
	// Also when somebody writes the new key's id into the old envelope.
	other, _ := newBox(t, 2).Seal(nil, nil)
	copy(sealed[1:5], other[1:5])
	if _, err = newBox(t, 2).Open(sealed, nil); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("Open with a forged key id: %v", err)
	}
}

func TestKeysOfAnotherLengthAreRefused(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33, 64} {
		if b, err := seal.New(make([]byte, n)); err == nil || b != nil {
			t.Errorf("New accepted a key of %d bytes", n)
		}
		if b, err := seal.Parse(base64.StdEncoding.EncodeToString(make([]byte, n))); err == nil || b != nil {
			t.Errorf("Parse accepted a key of %d bytes", n)
		}
	}
	if _, err := seal.Parse("hunter2, the secret"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Parse of a foreign text: %v", err)
	}
}

func TestTheZeroBoxDoesNothing(t *testing.T) {
	var b seal.Box
	if _, err := b.Seal([]byte("x"), nil); err == nil {
		t.Error("the zero Box seals")
	}
	if _, err := b.Open(make([]byte, 100), nil); err == nil {
		t.Error("the zero Box opens")
	}
}

func TestTheCallersKeyIsCopied(t *testing.T) {
	key := bytes.Repeat([]byte{1}, seal.KeySize)
	b, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	clear(key)
	sealed, _ := b.Seal([]byte("x"), nil)
	if _, err := newBox(t, 1).Open(sealed, nil); err != nil {
		t.Error(err)
	}
}

func TestABoxPrintsRedacted(t *testing.T) {
	b := newBox(t, 'K')
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "box", b, "value", *b)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "box", b, "value", *b)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %x %d", b, b, b, *b, *b, *b), log.String()} {
		if strings.Contains(text, "KKK") || strings.Contains(text, "4b4b") || strings.Contains(text, "75 75") {
			t.Errorf("the key is printed: %s", text)
		}
	}
	if got := fmt.Sprintf("%+v", struct{ B *seal.Box }{b}); got != "{B:[redacted]}" {
		t.Errorf("inside a struct it prints %s", got)
	}
}

func TestKeyFileIsMadeOnceAndReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var wg sync.WaitGroup
	boxes := make([]*seal.Box, 8)
	for i := range boxes {
		wg.Go(func() {
			b, err := seal.OpenKeyFile(path)
			if err != nil {
				t.Error(err)
			}
			boxes[i] = b
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed, err := boxes[0].Seal([]byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range boxes {
		if _, err := b.Open(sealed, nil); err != nil {
			t.Errorf("start %d got another key: %v", i, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v; want the key alone", entries, err)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("key file has mode %v, %v", info.Mode(), err)
	}
}

func TestKeyFileThatOthersCanReachIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such modes on Windows")
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o644, 0o601} {
		path := filepath.Join(t.TempDir(), "key")
		if _, err := seal.OpenKeyFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := seal.OpenKeyFile(path)
		if err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestKeyFileThatHoldsNoKeyIsRefusedAndKept(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("A", 5000), base64.StdEncoding.EncodeToString(make([]byte, 16))} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.OpenKeyFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%.10q: %v", text, err)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("%.10q was replaced", text)
		}
	}
	if _, err := seal.OpenKeyFile(t.TempDir()); err == nil {
		t.Error("a directory was accepted")
	}
	if _, err := seal.OpenKeyFile(filepath.Join(t.TempDir(), "none", "key")); err == nil {
		t.Error("a missing directory was accepted")
	}
}

func FuzzOpen(f *testing.F) {
	b := newBox(f, 7)
	good, err := base64.StdEncoding.DecodeString(vector)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, []byte("test/vector"))
	f.Add(good[:48], []byte("test/vector"))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, data, context []byte) {
		plain, err := b.Open(data, context)
		if err != nil && (plain != nil || !errors.Is(err, seal.ErrTampered) && !errors.Is(err, seal.ErrWrongKey)) {
			t.Errorf("Open = %q, %v", plain, err)
		}
		// The key is random to the fuzzer: nothing but the good envelope opens.
		if err == nil && (!bytes.Equal(data, good) || string(context) != "test/vector") {
			t.Errorf("a forged envelope opened: %x", data)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	box, plain := newBox(b, 1), make([]byte, 512)
	rand.Read(plain)
	for b.Loop() {
		sealed, err := box.Seal(plain, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := box.Open(sealed, nil); err != nil {
			b.Fatal(err)
		}
	}
}
