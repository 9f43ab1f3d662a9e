// Package token answers: is this token genuine, and what does it say?
//
// It holds claims and callers, tasks, key sets, verifying, rules for the tokens of other issuers, minting, proofs of
// possession, assertions of others, and revocations as values. It reads no request, keeps no state but caches, so that
// whoever takes a proof or an assertion must keep its jti, and it decides nothing about what a caller may do.
//
// Claims are to be minted: it is we who say them. A Caller is verified: only a Verifier makes one that is not zero.
// Every kind of JWT that we mint has a typ of its own, and every verifier accepts exactly one (RFC 8725 §3.11).
package token
