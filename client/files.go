package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/gofrs/flock"

	"github.com/doorward-mcp/doorward/seal"
)

// Files is a Keeper of sealed files, one for each key, mode 0600, in a directory of mode 0700. OpenFiles makes one.
// Several processes may use one directory: a file is replaced whole, and Lock holds across processes.
//
// What this protects against: with the key in the operating system's keychain, a copy of the directory (a backup, a
// synchronized folder, a stolen disk, another account) is worthless, and a program must ask the keychain. With a key
// file beside the records, sealing keeps a token out of a search through files and out of a copy of a single file, and
// detects records that were altered or exchanged; whoever can read the whole directory as this account has the tokens.
// Neither protects against a program that runs as the same person while the keychain is unlocked. File names are
// hashes: they do not tell which servers a person uses.
type Files struct {
	dir string
	box *seal.Box
}

var _ Keeper = (*Files)(nil)

// OpenFiles opens the records in dir, and makes the directory if there is none. The key comes from keychain, or from a
// key file in dir when keychain is nil or has no place to keep one; a directory that began with one stays with it.
func OpenFiles(dir string, keychain Keychain) (*Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of tokens: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("examining the directory of tokens: %w", err)
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&0o022 != 0 {
		return nil, fmt.Errorf("the directory of tokens %s can be written by others (mode %04o): run `chmod 700 %q`", dir, perm, dir)
	}
	box, err := openKey(dir, keychain)
	if err != nil {
		return nil, err
	}
	return &Files{dir, box}, nil
}

// name is the file of k. The lengths keep two keys from meeting in one name.
func (f *Files) name(k Key, suffix string) string {
	sum := sha256.Sum256(place(k))
	return filepath.Join(f.dir, hex.EncodeToString(sum[:16])+suffix)
}

// place is what a record is sealed for: it opens under no other key.
func place(k Key) []byte {
	return []byte("client/" + strconv.Itoa(len(k.Issuer)) + "/" + k.Issuer + "/" + k.Resource)
}

const maxRecord = 1 << 20

// Load implements Keeper. What was altered, or sealed under another key, is an error of seal.
func (f *Files) Load(_ context.Context, k Key) ([]byte, error) {
	name := f.name(k, ".sealed")
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("loading from %s: %w", f.dir, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("loading from %s: %w", f.dir, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxRecord {
		return nil, fmt.Errorf("loading %s: it is not a record", name)
	}
	sealed, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("loading from %s: %w", f.dir, err)
	}
	text, err := f.box.Open(sealed, place(k))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	return text, nil
}

// Save implements Keeper: a crash leaves the old record or the new one.
func (f *Files) Save(_ context.Context, k Key, text []byte) error {
	sealed, err := f.box.Seal(text, place(k))
	if err != nil {
		return fmt.Errorf("sealing a record: %w", err)
	}
	return replace(f.name(k, ".sealed"), sealed)
}

// replace gives path new content in one step.
func replace(path string, text []byte) error {
	temporary := path + "." + rand.Text()
	defer os.Remove(temporary)
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes the new name durable: a refresh token that was rotated is not to be found again after a crash.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Forget implements Keeper.
func (f *Files) Forget(_ context.Context, k Key) error {
	if err := os.Remove(f.name(k, ".sealed")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting a record: %w", err)
	}
	return nil
}

const lockPoll = 25 * time.Millisecond

// Lock implements Keeper with a file that stays: removing it would let two hold one lock.
func (f *Files) Lock(ctx context.Context, k Key) (unlock func(), err error) {
	l := flock.New(f.name(k, ".lock"), flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(ctx, lockPoll); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("locking a record: %w", err)
	}
	return func() { _ = l.Close() }, nil
}
