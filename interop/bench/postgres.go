package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// cluster is a PostgreSQL of this run's own, with its defaults: what is committed is on the disk.
type cluster struct {
	bin, dir string
	as       *syscall.SysProcAttr // nil: this user
}

func startPostgres() (*cluster, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, none := exec.LookPath("initdb"); none == nil {
		found = append([]string{path}, found...)
	}
	if err != nil || len(found) == 0 {
		return nil, errors.Join(errors.New("PostgreSQL is not installed: make deps installs it"), err)
	}
	p := &cluster{bin: filepath.Dir(found[len(found)-1])}
	if p.dir, err = os.MkdirTemp("", "pg"); err != nil { // a socket's path is short
		return nil, err
	}
	if err := p.unprivileged(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	_, err = p.run("initdb", "-D", p.dir+"/data", "-U", "doorward", "-A", "trust", "-E", "UTF8", "--locale=C")
	if err == nil {
		_, err = p.run("pg_ctl", "-D", p.dir+"/data", "-l", p.dir+"/log", "-w", "-t", "60", "-o", "-k "+p.dir+" -c listen_addresses=''", "start")
	}
	if err != nil {
		p.end()
	}
	return p, err
}

func (p *cluster) end() {
	_, _ = p.run("pg_ctl", "-D", p.dir+"/data", "-m", "immediate", "stop")
	_ = os.RemoveAll(p.dir)
}

// make gives the address of a new database.
func (p *cluster) make(name string) (string, error) {
	_, err := p.run("createdb", "-h", p.dir, "-U", "doorward", name)
	return "postgres:///" + name + "?" + url.Values{"host": {p.dir}, "user": {"doorward"}}.Encode(), err
}

// sql runs a file of SQL.
func (p *cluster) sql(name, file string) error {
	_, err := p.run("psql", "-h", p.dir, "-U", "doorward", "-d", name, "-v", "ON_ERROR_STOP=1", "-q", "-f", file)
	return err
}

func (p *cluster) run(name string, args ...string) (string, error) {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir, c.SysProcAttr, c.Env = p.dir, p.as, []string{"PATH=/usr/bin:/bin", "LANG=C", "HOME=" + p.dir}
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return string(out), err
}

// unprivileged makes the directory somebody's who may run PostgreSQL: root may not.
func (p *cluster) unprivileged() error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		p.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		return errors.Join(err1, err2, os.Chown(p.dir, uid, gid))
	}
	return errors.New("there is neither a user postgres nor nobody")
}
