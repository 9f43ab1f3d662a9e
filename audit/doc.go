// Package audit records what happened. Every decision and every change of state goes through Log.Do or Log.Refused.
//
// It imports no net/http and no database/sql: a Sink keeps the entries. It never holds arguments, tokens or secrets.
//
//	intent    what is about to be done, written before the act; if it cannot be written, the act does not happen
//	outcome   what came of it, under the same id
//	refusal   a request that was turned away: there is no act
package audit
