// Package verify proves offline what an audit log of Doorward says: that its records are whole, in order and unaltered since
// they were signed. It imports the standard library and golang.org/x/mod, nothing of Doorward's, and opens no connection, so
// that whoever must trust it can read it.
//
// A log is a directory:
//
//	seg-<first index, 20 digits>.log   records in frames (frame.go), each the JSON of an Entry (entry.go)
//	hashes.dat                         the stored hashes of golang.org/x/mod/sumdb/tlog, 32 bytes each
//	checkpoint, checkpoints.log        signed roots of the tree (C2SP tlog-checkpoint), the newest and earlier ones in frames
//	witnessed                          the newest checkpoint that a quorum of witnesses has cosigned, if there is one
//	log.pub                            the verifier keys, which are not trusted because they stand there
//
// Directory reads the records once, from the first to the last. Each is hashed as it stands and grown into an RFC 6962 tree
// (tree.go); where a checkpoint stands the roots are compared; sequence numbers, processes, intents and outcomes are followed
// (order.go). At the end the signatures are judged by the keys that whoever verifies has pinned and by the changes of key
// that the log records (keys.go), and by the quorum of a witness policy (policy.go, cosign.go).
//
// What it cannot see: records after the newest checkpoint are under no signature, and a whole older copy of a log is sound in
// itself. A checkpoint that somebody else has kept, or a witness, shows the latter.
package verify
