package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxKeyFile bounds what is read of a key file; a key in base64 has 44 characters.
const maxKeyFile = 1 << 10

// OpenKeyFile returns the Box of the key in the file at path, as Parse reads it. If there is no file, it makes one with a fresh key and
// mode 0600, durable before it returns; the directory must exist. Of several processes that start together, all get the same key.
// On Unix it refuses a file that the group or others can reach: a key that was readable may have been read.
func OpenKeyFile(path string) (*Box, error) {
	b, err := readKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if err := createKeyFile(path); err != nil {
		return nil, fmt.Errorf("creating key file %s: %w", path, err)
	}
	return readKeyFile(path)
}

func readKeyFile(path string) (*Box, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening key file: %w", err)
	}
	defer f.Close()

	// The open file is judged, not its name, which could be pointed elsewhere in between.
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("examining key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key file %s is not a regular file", path)
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		return nil, fmt.Errorf("key file %s can be reached by its group or by others (mode %04o): run `chmod 600 %q`, and replace the key if somebody may have read it", path, perm, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("reading key file %s: %w", path, err)
	}
	b, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("reading key file %s: %w", path, err)
	}
	return b, nil
}

// createKeyFile gives path its content and its name in one step, so that no crash leaves a file without a whole key under that name.
// A file that another process created meanwhile stays.
func createKeyFile(path string) error {
	temporary := path + ".new-" + rand.Text()
	defer os.Remove(temporary)
	if err := writeNew(temporary, NewKey()+"\n"); err != nil {
		return err
	}
	// A link fails where a rename would replace the key that a faster process made and perhaps used.
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDirectory makes a new name durable. Windows has no such call and needs none.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
