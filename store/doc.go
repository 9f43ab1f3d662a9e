// Package store keeps everything persistent, in SQLite or PostgreSQL. It implements what the roles declare: one type for
// each role over one DB. A whole act is one method and one transaction; changes take an audit.Intent and its time.
//
//	db.go        opening, acting, reading         schema.go       the tables, one text for both databases
//	sqlite.go    one writer joins waiting acts    postgres.go     a transaction for each act
//
// It decides nothing: package grant says what a code or a refresh token is worth, and what it says is written here.
// Secrets are kept as SHA-256 if we only compare them, and sealed if we need them again.
package store
