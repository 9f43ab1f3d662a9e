// Package export carries the audit log out of the installation: tiles and proofs for whoever verifies (C2SP tlog-tiles,
// tlog-proof), checkpoints for witnesses (C2SP tlog-witness), records for whoever collects events. It reads the log through
// audit.Leaves and audit.Checkpoints, behind durability and off the path of requests, and never writes a record.
//
// It is also a witness: a server that remembers the newest tree of each log that it knows and cosigns one that continues it.
//
// Of the texts it leaves out: cosignatures of subtrees and ML-DSA-44 (tlog-cosignature), and bastions. Entry bundles go to
// auditors alone, whom the caller knows.
package export
