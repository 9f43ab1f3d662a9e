package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// mostSlower is how much slower a median may be with a full database than with an empty one.
const mostSlower = 1.3

// scale compares an installation whose database is full with one that is empty. Rounds alternate.
func scale(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "scale")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var p *cluster
	if o.database == "postgres" {
		if p, err = startPostgres(); err != nil {
			return err
		}
		defer p.end()
	}
	var both []*measured
	for _, name := range []string{"empty", "full"} {
		address := "sqlite:" + filepath.Join(dir, name, "doorward.db")
		if p != nil {
			if address, err = p.make(name); err != nil {
				return err
			}
		}
		i, err := openIssuer(ctx, o, filepath.Join(dir, name), address)
		if err != nil {
			return err
		}
		defer func() { i.end() }() // of the process that runs then
		if name == "full" {
			if err := i.fill(ctx, o, p, filepath.Join(dir, name), address); err != nil {
				return err
			}
		}
		if err := i.warm(ctx, grants); err != nil {
			return err
		}
		both = append(both, target(name, i.process, i.operations(o), 0))
	}
	names := []string{"client credentials", "code", "refresh", "introspection"}
	for range 1 + o.rounds {
		for _, name := range names {
			for _, m := range both {
				if err := m.round(o, name); err != nil {
					return err
				}
			}
		}
	}
	return slower(o, both[0], both[1], names)
}

// slower prints the medians and is an error if one is slower than may be.
func slower(o options, empty, full *measured, names []string) error {
	fmt.Printf("%-20s %12s %12s %8s %10s %10s   (%s, %d clients, %d grants)\n", "p50 us", "empty", "full", "ratio", "CPU us", "full", o.database, o.clients, o.loaded)
	var beyond []error
	for _, name := range names {
		e, f := median(empty.figures[name]), median(full.figures[name])
		ratio := f.p50 / e.p50
		fmt.Printf("%-20s %12.0f %12.0f %8.2f %10.1f %10.1f\n", name, e.p50, f.p50, ratio, e.cpu, f.cpu)
		if ratio > mostSlower {
			beyond = append(beyond, fmt.Errorf("%s is %.2f times slower, %.1f at most", name, ratio, mostSlower))
		}
	}
	return errors.Join(beyond...)
}

// fill stops the installation, loads its database in bulk, and starts it again.
func (i *issuer) fill(ctx context.Context, o options, p *cluster, dir, address string) error {
	i.end()
	begun := time.Now()
	text := strings.NewReplacer("$CLIENTS", fmt.Sprint(o.clients), "$GRANTS", fmt.Sprint(o.loaded), "$NOW", fmt.Sprint(begun.UnixMilli()),
		"$LATER", fmt.Sprint(begun.Add(90*24*time.Hour).UnixMilli())).Replace(loadSQL(p != nil))
	if err := i.loadFile(ctx, o, p, dir, address, text); err != nil {
		return fmt.Errorf("loading: %w", err)
	}
	fmt.Printf("loaded %d clients and %d grants in %.0f s\n", o.clients, o.loaded, time.Since(begun).Seconds())
	began := time.Now()
	if err := i.start(o, dir, address); err != nil {
		return err
	}
	fmt.Printf("start with them: %.0f ms\n\n", ms(time.Since(began)))
	return nil
}

// loadFile runs SQL on the database: by psql, or by Node, which has SQLite in it.
func (i *issuer) loadFile(ctx context.Context, o options, p *cluster, dir, address, text string) error {
	if p != nil {
		dir = p.dir // whoever runs PostgreSQL can read there
	}
	file := filepath.Join(dir, "load.sql")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	if p != nil {
		return p.sql("full", file)
	}
	out, err := exec.CommandContext(ctx, o.node, "--no-warnings", filepath.Join(o.testdata, "bench/load.js"), strings.TrimPrefix(address, "sqlite:"), file).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return err
}

// loadSQL is the SQL of the load for one of the databases. Ids are random, as real ones are, so that rows lie in the indexes
// as they would; the secrets are of nobody, and none of these grants is ever used.
func loadSQL(postgres bool) string {
	in, say := sqliteWords, sqliteAround
	if postgres {
		in, say = postgresWords, postgresAround
	}
	return strings.NewReplacer("$ROWS", in.Replace(loadRows)).Replace(say)
}

const sqliteAround = `PRAGMA synchronous=OFF; PRAGMA cache_size=-400000; BEGIN; $ROWS COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);`

const postgresAround = `BEGIN; $ROWS COMMIT; VACUUM ANALYZE;`

var (
	sqliteWords   = strings.NewReplacer("$ID", "lower(hex(randomblob(11)))", "$HASH", "randomblob(32)", "$EMPTY", "x''", "$SECRET", "randomblob(60)")
	postgresWords = strings.NewReplacer("$ID", "substr(md5(random()::text), 1, 22)", "$HASH", "decode(md5(random()::text) || md5(random()::text), 'hex')", "$EMPTY", "''",
		"$SECRET", "decode(md5(random()::text) || md5(random()::text), 'hex')")
)

// loadRows are clients that registered themselves, and their grants: redeemed, rotated, and good for months.
const loadRows = `
INSERT INTO clients (id, fingerprint, metadata, secret, issued, used, source, waits, management, network, operator_)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $CLIENTS)
SELECT 'c' || i, 'f' || i, '{"client_name":"App ' || i || '","redirect_uris":["https://app' || i || '.example/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"]}',
	$EMPTY, $NOW, $NOW, 'dynamic', 0, $EMPTY, '', '{}' FROM n;
INSERT INTO grants (id, issuer, subject, client, confidential, resources, scopes, acr, groups_, signed_in, key_, code, redirect, challenge,
	code_until, redeemed, epoch, generation, rotated, secret, idle_until, until_, revoked, more)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $GRANTS)
SELECT $ID, 'http://127.0.0.1', 'person' || (i % 50000), 'c' || (1 + i % $CLIENTS), 0, '["http://127.0.0.1/crm"]', 'mcp', '', '[]', $NOW, '', $HASH, 'https://app.example/cb', '',
	$NOW, $NOW, 1, 3, $NOW, $SECRET, $LATER, $LATER, 0, '{}' FROM n;
`
