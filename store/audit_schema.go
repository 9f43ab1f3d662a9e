package store

// auditSchema is the log where PostgreSQL keeps it, and the vault beside the log, which both databases keep. In audit_head, edge
// is the hashes of the whole subtrees of a tree of that size, the largest first. A row of audit_entries is the frames of one
// batch, as a segment has them, and one of audit_hashes its stored hashes, 32 bytes each, from number first on. A checkpoint
// stays when earlier ones are thinned out if two keys of the log signed it: there one handed over to the other.
const auditSchema = `
CREATE TABLE audit_head (
	one  BIGINT PRIMARY KEY,
	size BIGINT NOT NULL,
	edge BYTEA NOT NULL
);
INSERT INTO audit_head (one, size, edge) VALUES (1, 0, '');
CREATE TABLE audit_entries (
	first  BIGINT PRIMARY KEY,
	count_ BIGINT NOT NULL,
	batch  TEXT NOT NULL,
	data   BYTEA NOT NULL
);
CREATE TABLE audit_hashes (
	first BIGINT PRIMARY KEY,
	data  BYTEA NOT NULL
);
CREATE TABLE audit_checkpoints (
	size  BIGINT PRIMARY KEY,
	at_   BIGINT NOT NULL,
	stays BIGINT NOT NULL,
	note  BYTEA NOT NULL
);
CREATE TABLE audit_marks (
	node   TEXT PRIMARY KEY,
	boot   TEXT NOT NULL,
	floor_ BIGINT NOT NULL,
	seen   BIGINT NOT NULL
);
CREATE TABLE audit_keys (
	name   TEXT PRIMARY KEY,
	sealed BYTEA NOT NULL
);
CREATE TABLE audit_subjects (
	lookup    BYTEA PRIMARY KEY,
	pseudonym TEXT NOT NULL UNIQUE,
	principal BYTEA NOT NULL,
	sealed    BYTEA NOT NULL
);
CREATE TABLE audit_erased (
	lookup BYTEA PRIMARY KEY,
	until_ BIGINT NOT NULL
);
CREATE TABLE audit_days (
	day    BIGINT PRIMARY KEY,
	sealed BYTEA NOT NULL
);
CREATE TABLE audit_values (
	record    TEXT PRIMARY KEY,
	pseudonym TEXT NOT NULL,
	sealed    BYTEA NOT NULL,
	at_       BIGINT NOT NULL
);
CREATE INDEX audit_values_pseudonym ON audit_values (pseudonym);
CREATE INDEX audit_values_at ON audit_values (at_);
INSERT INTO counters (name, value) VALUES ('erasures', 0);
`
