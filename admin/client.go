package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// Client speaks to a running installation through the socket of its data directory.
type Client struct{ Data string }

// ErrNotRunning is the error of a data directory that no installation serves.
var ErrNotRunning = errors.New("nothing runs with this data directory")

// Link is API.Link.
func (c *Client) Link(ctx context.Context, name string) (p Person, err error) {
	err = c.post(ctx, "/link", Person{Name: name}, &p)
	return p, err
}

// AddPerson is API.AddPerson.
func (c *Client) AddPerson(ctx context.Context, name, role string, groups ...string) (p Person, err error) {
	err = c.post(ctx, "/people", Person{Name: name, Role: role, Groups: groups}, &p)
	return p, err
}

// SetGroups is API.SetGroups.
func (c *Client) SetGroups(ctx context.Context, name string, groups ...string) (p Person, err error) {
	err = c.post(ctx, "/groups", Person{Name: name, Groups: groups}, &p)
	return p, err
}

// RotateKeys is API.RotateKeys.
func (c *Client) RotateKeys(ctx context.Context) error {
	return c.post(ctx, "/keys", struct{}{}, &struct{}{})
}

func (c *Client) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://admin"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: &http.Transport{DialContext: c.dial, DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrNotRunning, c.Data)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(res.Body).Decode(&f); err != nil {
			return fmt.Errorf("reading the answer (%s): %w", res.Status, err)
		}
		return errors.New(f.Error)
	}
	return json.NewDecoder(res.Body).Decode(out)
}

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	path, err := filepath.EvalSymlinks(filepath.Join(c.Data, socketName))
	if err != nil {
		return nil, err
	}
	return d.DialContext(ctx, "unix", path)
}

const socketName = "admin.sock"

// maxSocketPath is what every system takes as the path of a socket.
const maxSocketPath = 100

// Listen makes the socket of a data directory, in place of one that a process left behind. The caller holds the
// directory's lock, so nobody serves it. A path that is too long for a socket gets a link to one in a directory of its
// own. Closing the listener removes the socket.
func Listen(data string) (net.Listener, error) {
	path := filepath.Join(data, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the old socket: %w", err)
	}
	at := path
	if len(path) > maxSocketPath {
		dir, err := os.MkdirTemp("", "doorward-")
		if err != nil {
			return nil, fmt.Errorf("making a directory for the socket: %w", err)
		}
		at = filepath.Join(dir, socketName)
		if err := os.Symlink(at, path); err != nil {
			return nil, fmt.Errorf("linking the socket: %w", err)
		}
	}
	l, err := net.Listen("unix", at)
	if err != nil {
		return nil, fmt.Errorf("making the socket: %w", err)
	}
	if err := os.Chmod(at, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the socket to others: %w", err), l.Close())
	}
	return l, nil
}
