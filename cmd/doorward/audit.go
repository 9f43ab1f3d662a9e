package main

// auditCmd reads the audit log. Each verb has a file of its name.
type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Prove offline that the audit log is whole, in order and unaltered."`

	Query     auditQueryCmd     `cmd:"" help:"Find records, newest first."`
	Show      auditShowCmd      `cmd:"" help:"Show the whole chain of a call: sign-in, consent, token, decision, outcome."`
	Tail      auditTailCmd      `cmd:"" help:"Print records as they come."`
	Prove     auditProveCmd     `cmd:"" help:"Prove to others that a record is in the log."`
	Export    auditExportCmd    `cmd:"" help:"Copy the log, or print it as OCSF events."`
	Hold      auditHoldCmd      `cmd:"" help:"Keep records from being deleted."`
	Reindex   auditReindexCmd   `cmd:"" help:"Make the index behind query and show anew."`
	RotateKey auditRotateKeyCmd `cmd:"" help:"Have another key sign the log."`
	Repair    auditRepairCmd    `cmd:"" help:"Make a damaged log openable, which it then says of itself."`
}
