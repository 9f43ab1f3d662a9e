// Package audit has verifiers that we did not write judge the audit log: Tessera's client fetches our tiles over HTTP, proves
// each step of the log consistent and records included; its libraries of formats accept our checkpoints and our witness's
// cosignatures; golang.org/x/mod/sumdb accepts our keys, checkpoints and proofs.
package audit
