package audit

// trouble is an error that a caller tests for.
type trouble string

func (t trouble) Error() string { return string(t) }

// What may be the matter with a log, its keys or its vault.
const (
	// ErrFull is the error of an act that did not run because its intent could not be written.
	ErrFull trouble = "audit: the log cannot be written"

	// ErrLate is why a record was not kept in time: the store stands still.
	ErrLate trouble = "the store of the audit log has not answered for two seconds"

	// ErrErased is the error of clear values that nobody can read any more: whose they were has been erased.
	ErrErased trouble = "whose it was has been erased"

	// ErrDamaged is the error of a log in files that does not fit together: records that a checkpoint has are missing, or
	// other ones stand in their place. Its text names the index and the file. RepairSegments makes such a log openable.
	ErrDamaged trouble = "the audit log is damaged"

	// ErrKeysChanged is the error of a change of keys that another process was faster than.
	ErrKeysChanged trouble = "the keys of the audit log were changed meanwhile"

	// ErrHandover is the error of signing a tree for which it is not known yet who signs it: a key is being replaced. It ends
	// when Settle was called, and the checkpoint that Due names was published.
	ErrHandover trouble = "a key of the audit log is being replaced"
)
