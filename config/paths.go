package config

import (
	"path/filepath"
	"strings"
)

// In is c with relative paths as they are seen from dir, and with where it listens filled in. Paths are those of
// certificates, keys, data, the database, what ${file:PATH} refers to, and a command that begins with ./ or ../.
func (c Config) In(dir string) Config {
	from := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	c.Listen = c.Listener()
	if c.TLS != nil {
		files := *c.TLS
		from(&files.Certificate)
		from(&files.Key)
		c.TLS = &files
	}
	from(&c.Data)
	from(&c.InsecureLoopbackDocuments)
	c.Database = c.Database.in(from)
	if path, ok := strings.CutPrefix(string(c.Database), "sqlite:"); ok {
		from(&path)
		c.Database = Text("sqlite:" + path)
	}
	c.Registration.InitialAccessToken = Secret(Text(c.Registration.InitialAccessToken).in(from))
	servers := make(map[string]Server, len(c.Servers))
	for name, s := range c.Servers {
		servers[name] = s.in(from)
	}
	c.Servers = servers
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
	var headers map[string]Text
	for name, value := range s.UpstreamHeaders {
		if headers == nil {
			headers = map[string]Text{}
		}
		headers[name] = value.in(from)
	}
	s.UpstreamHeaders = headers
	return s
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
