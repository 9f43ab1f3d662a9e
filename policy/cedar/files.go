package cedar

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// What a bundle may have: far more than any has, and little enough to be read in an instant.
const (
	maxFiles  = 4096
	maxBundle = 32 << 20
)

// Files are a bundle as it is written: the content of each file under its path, with slashes. What is no part of a bundle is not
// among them.
type Files map[string][]byte

// ErrNoBundle is the error of a directory that has no bundle.yaml.
var ErrNoBundle = errors.New("there is no bundle.yaml")

// ReadFiles reads a bundle. What does not belong to one, such as a README or what an editor left behind, is not looked at; what looks
// as if it did is refused.
func ReadFiles(fsys fs.FS) (Files, error) {
	r := filesReader{fsys: fsys, files: Files{}}
	if err := r.walk("."); err != nil {
		return nil, fmt.Errorf("reading a policy bundle: %w", err)
	}
	if _, ok := r.files["bundle.yaml"]; !ok {
		return nil, fmt.Errorf("reading a policy bundle: %w", ErrNoBundle)
	}
	if err := r.unread.err(); err != nil {
		return nil, fmt.Errorf("reading a policy bundle: %w", err)
	}
	return r.files, nil
}

// filesReader goes over a directory once.
type filesReader struct {
	fsys   fs.FS
	files  Files
	size   int64
	unread problems // what looks as if it belonged to the bundle
}

// directories are those that a bundle has.
var directories = []string{"guardrails", "servers", "entities", "schema", "tests"}

// walk reads what is in a directory and below it.
func (r *filesReader) walk(root string) error {
	return fs.WalkDir(r.fsys, root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		return r.entry(name, d)
	})
}

// entry takes what is no directory.
func (r *filesReader) entry(name string, d fs.DirEntry) error {
	switch {
	case d.Type()&fs.ModeSymlink != 0 && slices.Contains(directories, name):
		return r.link(name)
	case !belongs(name):
		r.unread.missed(r.fsys, name, d)
		return nil
	}
	return r.read(name)
}

// link follows a link in the place of one of a bundle's directories, which is how volumes of Kubernetes are mounted. Links further
// below are not followed, so that none leads in a circle.
func (r *filesReader) link(name string) error {
	entries, err := fs.ReadDir(r.fsys, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		below := path.Join(name, e.Name())
		if e.IsDir() {
			err = r.walk(below)
		} else {
			err = r.entry(below, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *filesReader) read(name string) error {
	info, err := fs.Stat(r.fsys, name)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", name)
	}
	if r.size += info.Size(); r.size > maxBundle || len(r.files) == maxFiles { // before it is read
		return fmt.Errorf("the bundle has more than %d files or %d MiB", maxFiles, maxBundle>>20)
	}
	r.files[name], err = fs.ReadFile(r.fsys, name)
	return err
}

// belongs reports whether a path is that of a file of a bundle.
func belongs(name string) bool {
	if name == "bundle.yaml" || name == SignatureFile {
		return true
	}
	dir, base := path.Split(name)
	if strings.HasPrefix(base, ".") {
		return false
	}
	top, rest, _ := strings.Cut(dir, "/")
	switch ext := path.Ext(base); top {
	case "guardrails":
		return ext == ".cedar"
	case "servers":
		return ext == ".cedar" && rest != ""
	case "entities":
		return rest == "" && (ext == ".json" || ext == ".yaml")
	case "schema":
		return rest == "" && (ext == ".json" || ext == ".cedarschema")
	case "tests":
		return ext == ".yaml"
	}
	return false
}

// missed notes what is not read and looks as if it were: a rule that does not hold is missed by nobody.
func (p *problems) missed(fsys fs.FS, name string, d fs.DirEntry) {
	base := path.Base(name)
	if strings.HasPrefix(base, ".") {
		return
	}
	top, _, below := strings.Cut(name, "/")
	known := slices.Contains(directories, top)
	if d.Type()&fs.ModeSymlink != 0 && known {
		if to, err := fs.Stat(fsys, name); err != nil || to.IsDir() {
			p.add(name, 0, 0, "a link to a directory is not followed")
		}
	}
	switch strings.ToLower(path.Ext(base)) {
	case ".cedar":
		p.add(name, 0, 0, "rules stand in guardrails/*.cedar and servers/NAME/*.cedar: these would not be read")
	case ".json", ".yaml", ".yml", ".cedarschema":
		if known && below {
			p.add(name, 0, 0, "it would not be read: entities/ and schema/ have no directories in them, and their files end in .json, .yaml and .cedarschema, those of tests/ in .yaml")
		}
	}
}

// Digest names what is written, such as sha256:9f86…: the same for the same files, whatever else lies beside them, its signature
// included.
func (f Files) Digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if name == SignatureFile {
			continue
		}
		_, _ = fmt.Fprintf(h, "%d %s\n%d\n", len(name), name, len(f[name]))
		_, _ = h.Write(f[name])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Archive is the files in one piece: a tar with sorted names and nothing else in it that could differ.
func (f Files) Archive() ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(f[name])), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f[name]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Close()
}

// OpenArchive reads what Archive wrote.
func OpenArchive(archive []byte) (Files, error) {
	files, size := Files{}, 0
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err == nil && (h.Typeflag != tar.TypeReg || !belongs(h.Name)) {
			err = fmt.Errorf("%q is no part of a bundle", h.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("reading an archived bundle: %w", err)
		}
		content, err := io.ReadAll(io.LimitReader(r, maxBundle+1))
		if size += len(content); err == nil && (size > maxBundle || len(files) == maxFiles) {
			err = errors.New("it is too large")
		}
		if err != nil {
			return nil, fmt.Errorf("reading an archived bundle: %w", err)
		}
		files[h.Name] = content
	}
}
