package client

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/zalando/go-keyring"

	"github.com/doorward-mcp/doorward/seal"
)

// Keychain keeps one short secret for each directory of Files. Get of a name that is not there is ErrNotFound.
type Keychain interface {
	Get(name string) (secret string, err error)
	Set(name, secret string) error
}

// SystemKeychain is the operating system's: Keychain on macOS, Credential Manager on Windows, the Secret Service of
// the desktop elsewhere. Where there is none, or nobody answers it, its methods return an error.
type SystemKeychain struct{}

var _ Keychain = SystemKeychain{}

const (
	keychainService = "doorward"
	keychainTime    = 20 * time.Second // a person may have to unlock it; a session without a desktop may never answer
)

// Get implements Keychain.
func (SystemKeychain) Get(name string) (string, error) {
	secret, err := inTime(func() (string, error) { return keyring.Get(keychainService, name) })
	if errors.Is(err, keyring.ErrNotFound) {
		return "", ErrNotFound
	}
	return secret, err
}

// Set implements Keychain.
func (SystemKeychain) Set(name, secret string) error {
	_, err := inTime(func() (string, error) { return "", keyring.Set(keychainService, name, secret) })
	return err
}

func inTime(act func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := act()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-time.After(keychainTime):
		return "", errors.New("the keychain does not answer")
	}
}

const (
	keyFile = "key"             // the key itself, when there is no keychain
	inChain = "key-in-keychain" // says that the key is there, so that a locked keychain is an error and no new key
)

// openKey finds the key-encryption key of dir, or makes it. Of several processes that start together one makes it.
func openKey(dir string, keychain Keychain) (*seal.Box, error) {
	lock := flock.New(filepath.Join(dir, "key.lock"), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("locking the directory of tokens: %w", err)
	}
	defer lock.Close()
	file, marker := filepath.Join(dir, keyFile), filepath.Join(dir, inChain)
	name, err := keychainName(dir)
	if err != nil {
		return nil, err
	}
	switch {
	case exists(marker):
		return fromKeychain(keychain, name, marker)
	case exists(file) || keychain == nil:
		return seal.OpenKeyFile(file)
	}
	text := seal.NewKey()
	if err := keychain.Set(name, text); err != nil {
		return seal.OpenKeyFile(file)
	}
	if back, err := keychain.Get(name); err != nil || back != text {
		return seal.OpenKeyFile(file)
	}
	if err := replace(marker, nil); err != nil {
		return nil, err
	}
	return seal.Parse(text)
}

func fromKeychain(keychain Keychain, name, marker string) (*seal.Box, error) {
	if keychain == nil {
		return nil, fmt.Errorf("the key of the kept tokens is in a keychain, and none is in use here: remove %s to sign in anew", marker)
	}
	text, err := keychain.Get(name)
	if err != nil {
		return nil, fmt.Errorf("the key of the kept tokens is in the operating system's keychain, which does not give it (unlock it, or remove %s to sign in anew): %w", marker, err)
	}
	return seal.Parse(text)
}

// keychainName tells several directories apart without saying where they are.
func keychainName(dir string) (string, error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(whole))
	return "client-" + hex.EncodeToString(sum[:8]), nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
