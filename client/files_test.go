package client_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doorward-mcp/doorward/client"
	"github.com/doorward-mcp/doorward/seal"
)

var aKey = client.Key{Issuer: "https://as.example.com", Resource: "https://mcp.example.com/mcp"}

// chain is a keychain in memory; a locked one answers nothing.
type chain struct {
	secrets map[string]string
	locked  bool
}

var errLocked = errors.New("locked")

func (c *chain) Get(name string) (string, error) {
	s, ok := c.secrets[name]
	switch {
	case c.locked:
		return "", errLocked
	case !ok:
		return "", client.ErrNotFound
	}
	return s, nil
}

func (c *chain) Set(name, secret string) error {
	if c.locked {
		return errLocked
	}
	c.secrets[name] = secret
	return nil
}

// Every Keeper keeps what it was given under the key that it was given for.
func TestKeepers(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) client.Keeper{
		"memory":              func(*testing.T) client.Keeper { return &client.Memory{} },
		"files":               func(t *testing.T) client.Keeper { return files(t, t.TempDir()) },
		"files with keychain": func(t *testing.T) client.Keeper { return chained(t, t.TempDir(), &chain{secrets: map[string]string{}}) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			k := make(t)
			if _, err := k.Load(ctx, aKey); !errors.Is(err, client.ErrNotFound) {
				t.Errorf("an empty Keeper gives %v, want ErrNotFound", err)
			}
			text := []byte("one")
			for _, err := range []error{k.Forget(ctx, aKey), k.Save(ctx, aKey, text), k.Save(ctx, aKey, []byte("two"))} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if got, err := k.Load(ctx, aKey); err != nil || string(got) != "two" {
				t.Errorf("got %q, %v; want two", got, err)
			}
			for _, other := range []client.Key{{Issuer: aKey.Issuer}, {Resource: aKey.Resource}, {Issuer: aKey.Resource, Resource: aKey.Issuer}, {Issuer: aKey.Issuer + "/", Resource: aKey.Resource}} {
				if _, err := k.Load(ctx, other); !errors.Is(err, client.ErrNotFound) {
					t.Errorf("%v gives %v, want ErrNotFound", other, err)
				}
			}
			if err := k.Forget(ctx, aKey); err != nil {
				t.Fatal(err)
			}
			if _, err := k.Load(ctx, aKey); !errors.Is(err, client.ErrNotFound) {
				t.Errorf("after forgetting: %v, want ErrNotFound", err)
			}
		})
	}
}

func chained(t *testing.T, dir string, c client.Keychain) *client.Files {
	t.Helper()
	f, err := client.OpenFiles(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The lock of one key keeps others out until it is given back; a context ends the waiting.
func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exclusive(t, &client.Memory{})
	})
	exclusive(t, files(t, t.TempDir()))
}

func exclusive(t *testing.T, k client.Keeper) {
	t.Helper()
	unlock, err := k.Lock(t.Context(), aKey)
	if err != nil {
		t.Fatal(err)
	}
	other, err := k.Lock(t.Context(), client.Key{Issuer: aKey.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	other()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := k.Lock(short, aKey); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second Lock ended with %v, want the deadline", err)
	}
	unlock()
	again, err := k.Lock(t.Context(), aKey)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// CL-TOKEN-STORE: nothing in the clear, nothing for other accounts, names that do not tell the server.
func TestFilesAreSealed(t *testing.T) {
	p := newPeer(t)
	dir := filepath.Join(t.TempDir(), "tokens")
	admitted(t, dial(t, p, client.Options{Keeper: files(t, dir)}), p)
	records := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		if d.IsDir() {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, secret := range []string{"access-", "refresh-", "client-", "127.0.0.1"} {
			if bytes.Contains(text, []byte(secret)) || strings.Contains(path, secret) {
				t.Errorf("%s has %q in the clear", path, secret)
			}
		}
		if strings.HasSuffix(path, ".sealed") {
			records++
		}
		return err
	})
	if err != nil || records != 3 {
		t.Errorf("%d records, %v; want tokens, registration and pointer", records, err)
	}
}

// A record that was altered, moved or sealed elsewhere is not used: the person signs in anew.
func TestForeignRecordsAreNotUsed(t *testing.T) {
	ctx := t.Context()
	dir, other := t.TempDir(), t.TempDir()
	f := files(t, dir)
	if err := f.Save(ctx, aKey, []byte("mine")); err != nil {
		t.Fatal(err)
	}
	name, sealed := record(t, dir)
	g := files(t, other)
	if err := g.Save(ctx, aKey, []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	_, theirs := record(t, other)
	for what, c := range map[string]struct {
		text []byte
		want error
	}{
		"altered":            {append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1), seal.ErrTampered},
		"cut":                {sealed[:20], seal.ErrTampered},
		"under another key":  {theirs, seal.ErrWrongKey},
		"empty after a fill": {nil, seal.ErrTampered},
	} {
		if err := os.WriteFile(name, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := f.Load(ctx, aKey); !errors.Is(err, c.want) || text != nil {
			t.Errorf("%s: got %q, %v; want %v", what, text, err, c.want)
		}
	}
	second := client.Key{Issuer: "https://evil.example.com", Resource: aKey.Resource}
	if err := f.Save(ctx, second, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, path := range sealedFiles(t, dir) {
		if err := os.WriteFile(path, sealed, 0o600); err != nil { // the record of aKey under every name
			t.Fatal(err)
		}
	}
	if _, err := f.Load(ctx, second); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("a moved record gives %v, want ErrTampered", err)
	}
}

func sealedFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.sealed"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func record(t *testing.T, dir string) (name string, sealed []byte) {
	t.Helper()
	names := sealedFiles(t, dir)
	if len(names) != 1 {
		t.Fatalf("%d records, want 1", len(names))
	}
	sealed, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return names[0], sealed
}

// Unreadable records cost a sign-in, never more.
func TestUnreadableRecordsCostASignIn(t *testing.T) {
	p := newPeer(t)
	dir := t.TempDir()
	admitted(t, dial(t, p, client.Options{Keeper: files(t, dir)}), p)
	for _, path := range sealedFiles(t, dir) {
		if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	admitted(t, dial(t, p, client.Options{Keeper: files(t, dir)}), p)
	if p.count("authorize") != 2 {
		t.Errorf("%d sign-ins, want 2", p.count("authorize"))
	}
}

// The key is in the keychain where there is one, and a directory that began there never falls back to a new key.
func TestKeychain(t *testing.T) {
	dir := t.TempDir()
	c := &chain{secrets: map[string]string{}}
	f := chained(t, dir, c)
	if err := f.Save(t.Context(), aKey, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "key")); !errors.Is(err, fs.ErrNotExist) || len(c.secrets) != 1 {
		t.Errorf("a key file beside the keychain: %v", err)
	}
	if text, err := chained(t, dir, c).Load(t.Context(), aKey); err != nil || string(text) != "kept" {
		t.Errorf("got %q, %v; want kept", text, err)
	}
	c.locked = true
	if _, err := client.OpenFiles(dir, c); !errors.Is(err, errLocked) {
		t.Errorf("with a locked keychain: %v, want that it is locked", err)
	}
	if _, err := client.OpenFiles(dir, nil); err == nil {
		t.Error("without a keychain: no error")
	}
}

// Where no keychain answers, the key is a file, and stays one when a keychain comes later.
func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	c := &chain{secrets: map[string]string{}, locked: true}
	if err := chained(t, dir, c).Save(t.Context(), aKey, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	c.locked = false
	if text, err := chained(t, dir, c).Load(t.Context(), aKey); err != nil || string(text) != "kept" {
		t.Errorf("got %q, %v; want kept", text, err)
	}
}

func TestDirectoryThatOthersCanWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := client.OpenFiles(dir, nil); err == nil {
		t.Error("no error")
	}
}
