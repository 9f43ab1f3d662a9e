package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Files are the files whose contents count: certificates, keys, and what ${file:PATH} refers to.
func (c Config) Files() (all []string) {
	c.Data = ""
	if strings.HasPrefix(string(c.Database), "sqlite:") {
		c.Database = ""
	}
	c.Servers = maps.Clone(c.Servers)
	for name, s := range c.Servers {
		s.Command, s.Process = nil, Process{}
		c.Servers[name] = s
	}
	c.paths(func(path *string) {
		if *path != "" && !slices.Contains(all, *path) {
			all = append(all, *path)
		}
	})
	slices.Sort(all)
	return all
}

// In is c with relative paths as they are seen from dir, and with where it listens filled in. Paths are those of
// certificates, keys, data, the database, what ${file:PATH} refers to, and a command that begins with ./ or ../.
func (c Config) In(dir string) Config {
	return c.paths(func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	})
}

// paths is c with what from makes of each path.
func (c Config) paths(from func(*string)) Config {
	c.Listen = c.Listener()
	if c.TLS != nil {
		files := *c.TLS
		from(&files.Certificate)
		from(&files.Key)
		if files.ACME != nil {
			acme := *files.ACME
			from(&acme.Authority)
			files.ACME = &acme
		}
		c.TLS = &files
	}
	from(&c.Data)
	from(&c.InsecureLoopbackDocuments)
	c.Database = c.Database.in(from)
	if path, ok := strings.CutPrefix(string(c.Database), "sqlite:"); ok {
		from(&path)
		c.Database = Text("sqlite:" + path)
	}
	c.Policy = c.Policy.in(from)
	c.Audit = c.Audit.in(from)
	if c.Tracing != nil {
		t := *c.Tracing
		t.Headers = textsIn(t.Headers, from)
		c.Tracing = &t
	}
	c.Registration.InitialAccessToken = Secret(Text(c.Registration.InitialAccessToken).in(from))
	servers := make(map[string]Server, len(c.Servers))
	for name, s := range c.Servers {
		servers[name] = s.in(from)
	}
	c.Servers = servers
	issuers := make(map[string]Issuer, len(c.Issuers))
	for name, i := range c.Issuers {
		if i.Introspection != nil {
			asked := *i.Introspection
			asked.Secret = Secret(Text(asked.Secret).in(from))
			i.Introspection = &asked
		}
		issuers[name] = i
	}
	if len(issuers) > 0 {
		c.Issuers = issuers
	}
	c.Clients.Listed = append([]Client(nil), c.Clients.Listed...)
	for i := range c.Clients.Listed {
		client := &c.Clients.Listed[i]
		client.Secret = Secret(Text(client.Secret).in(from))
		from(&client.JWKSFile)
	}
	return c
}

func (s Server) in(from func(*string)) Server {
	if len(s.Command) > 0 && (strings.HasPrefix(s.Command[0], "./") || strings.HasPrefix(s.Command[0], "../")) {
		s.Command = append([]string(nil), s.Command...)
		from(&s.Command[0])
	}
	s.Environment = append([]string(nil), s.Environment...)
	for i, e := range s.Environment {
		s.Environment[i] = string(Text(e).in(from))
	}
	s.Process = s.Process.in(from)
	s.UpstreamHeaders = textsIn(s.UpstreamHeaders, from)
	s.Upstream = s.Upstream.in(from)
	return s
}

func textsIn(all map[string]Text, from func(*string)) map[string]Text {
	all = maps.Clone(all)
	for name, value := range all {
		all[name] = value.in(from)
	}
	return all
}

// in is t with the paths of its references changed.
func (t Text) in(from func(*string)) Text {
	return Text(reference.ReplaceAllStringFunc(string(t), func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		if m[1] == "file" {
			from(&m[2])
		}
		return "${" + m[1] + ":" + m[2] + "}"
	}))
}
