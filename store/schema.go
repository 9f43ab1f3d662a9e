package store

import "fmt"

// schema is the tables, one text for SQLite and PostgreSQL. A change is a new text at the end, never an edit.
// Times are milliseconds since 1970, 0 for none. Names with an underscore at the end are words of SQL.
var schema = []string{`
CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);
CREATE TABLE signing_keys (
	id     TEXT PRIMARY KEY,
	sealed BYTEA NOT NULL,
	shown  BIGINT NOT NULL,
	used   BIGINT NOT NULL,
	until_ BIGINT NOT NULL
);
CREATE TABLE people (
	issuer   TEXT NOT NULL,
	subject  TEXT NOT NULL,
	name     TEXT NOT NULL UNIQUE,
	password TEXT NOT NULL,
	groups_  TEXT NOT NULL,
	disabled BIGINT NOT NULL,
	created  BIGINT NOT NULL,
	PRIMARY KEY (issuer, subject)
);
CREATE TABLE sessions (
	hash       BYTEA PRIMARY KEY,
	issuer     TEXT NOT NULL,
	subject    TEXT NOT NULL,
	at_        BIGINT NOT NULL,
	acr        TEXT NOT NULL,
	idle       BIGINT NOT NULL,
	idle_until BIGINT NOT NULL,
	until_     BIGINT NOT NULL
);
CREATE TABLE links (
	hash    BYTEA PRIMARY KEY,
	subject TEXT NOT NULL,
	until_  BIGINT NOT NULL
);
CREATE TABLE clients (
	id          TEXT PRIMARY KEY,
	fingerprint TEXT UNIQUE,
	metadata    TEXT NOT NULL,
	secret      BYTEA NOT NULL,
	issued      BIGINT NOT NULL,
	used        BIGINT NOT NULL
);
CREATE INDEX clients_used ON clients (used, issued);
CREATE TABLE pendings (
	id     BYTEA PRIMARY KEY,
	data   TEXT NOT NULL,
	until_ BIGINT NOT NULL
);
CREATE INDEX pendings_until ON pendings (until_);
CREATE TABLE consents (
	issuer      TEXT NOT NULL,
	subject     TEXT NOT NULL,
	client      TEXT NOT NULL,
	resource    TEXT NOT NULL,
	scopes      TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	until_      BIGINT NOT NULL,
	PRIMARY KEY (issuer, subject, client, resource)
);
CREATE TABLE grants (
	id           TEXT PRIMARY KEY,
	issuer       TEXT NOT NULL,
	subject      TEXT NOT NULL,
	client       TEXT NOT NULL,
	confidential BIGINT NOT NULL,
	resources    TEXT NOT NULL,
	scopes       TEXT NOT NULL,
	acr          TEXT NOT NULL,
	groups_      TEXT NOT NULL,
	signed_in    BIGINT NOT NULL,
	key_         TEXT NOT NULL,
	code         BYTEA NOT NULL UNIQUE,
	redirect     TEXT NOT NULL,
	challenge    TEXT NOT NULL,
	code_until   BIGINT NOT NULL,
	redeemed     BIGINT NOT NULL,
	epoch        BIGINT NOT NULL,
	generation   BIGINT NOT NULL,
	rotated      BIGINT NOT NULL,
	secret       BYTEA NOT NULL,
	idle_until   BIGINT NOT NULL,
	until_       BIGINT NOT NULL,
	revoked      BIGINT NOT NULL
);
CREATE INDEX grants_client ON grants (client);
CREATE INDEX grants_subject ON grants (issuer, subject, client);
CREATE INDEX grants_idle ON grants (idle_until);
CREATE TABLE revocations (
	id            TEXT PRIMARY KEY,
	grant_        TEXT NOT NULL,
	client        TEXT NOT NULL,
	jti           TEXT NOT NULL,
	issuer        TEXT NOT NULL,
	subject       TEXT NOT NULL,
	actor_issuer  TEXT NOT NULL,
	actor_subject TEXT NOT NULL,
	not_before    BIGINT NOT NULL,
	until_        BIGINT NOT NULL
);
CREATE TABLE counters (
	name  TEXT PRIMARY KEY,
	value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('revocations', 0);
`, grantsSchema,
	registrationSchema,
	partialSchema,
	bundlesSchema,
	definitionsSchema,
	auditSchema,
	trailSchema,
	fmt.Sprintf(indexSchema, ""), // of PostgreSQL alone; SQLite has a file for it
}

// partialSchema finds what few rows are: clients that nobody has used, whose registration is still known by its network, and
// codes that nobody has redeemed. Every registration counts the first, every sweep looks for the others.
const partialSchema = `
DROP INDEX clients_network;
CREATE INDEX clients_unused ON clients (network) WHERE used = 0 AND source <> 'listed';
CREATE INDEX clients_of_networks ON clients (used) WHERE network <> '';
CREATE INDEX grants_unredeemed ON grants (code_until) WHERE redeemed = 0;
`

// grantsSchema is what every grant and endpoint needs beside the code flow.
const grantsSchema = `
ALTER TABLE grants ADD COLUMN more TEXT NOT NULL DEFAULT '{}';
CREATE TABLE devices (
	code      BYTEA PRIMARY KEY,
	user_code TEXT NOT NULL UNIQUE,
	data      TEXT NOT NULL,
	interval_ BIGINT NOT NULL,
	polled    BIGINT NOT NULL,
	declined  BIGINT NOT NULL,
	until_    BIGINT NOT NULL
);
CREATE INDEX devices_until ON devices (until_);
CREATE TABLE once (
	hash   BYTEA PRIMARY KEY,
	until_ BIGINT NOT NULL
);
CREATE INDEX once_until ON once (until_);
`
