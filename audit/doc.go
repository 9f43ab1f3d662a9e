// Package audit records what happened, provably. Every decision and every change of state goes through Log.Do or Log.Refused.
//
//	intent    what is about to be done, written before the act; if it cannot be written, the act does not happen
//	outcome   what came of it, under the same id
//	refusal   a request that was turned away: there is no act
//	notice    what the log says about itself: processes that began, keys, gaps, deletions
//
// A Log hands its entries to a Sink. Slog is one, for programs that keep records in their own way. Journal is the other: it numbers
// entries, puts commitments and pseudonyms in the place of everything personal, and has Leaves keep many at once, in files (Segments)
// or in PostgreSQL (package store). Checkpoints sign the tree over their bytes, with the keys of a Keyring; package verify
// proves it to others. What the log only commits to, a Vault keeps under a key for each subject, where a Level asks for it.
//
// It imports no net/http and no database/sql. No argument, token, secret or name of a person is in what it writes.
package audit
