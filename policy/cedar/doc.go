// Package cedar is the policy engine: bundles of rules in the Cedar language (docs.cedarpolicy.com), held against schemas that come
// from the servers' own definitions. It decides by one bundle; it reads no clock, no network and no file that it is not given.
//
// A bundle is a directory:
//
//	bundle.yaml             its name, its servers, the operator's toolsets and the attributes of people
//	guardrails/*.cedar      what nobody may do: forbids, about any server
//	servers/NAME/*.cedar    the rules of one server, about it alone
//	entities/*.json|yaml    groups, sets of clients, people, in Cedar's JSON form
//	schema/NAME.json        the definitions of a server's tools that the operator accepted
//	tests/*.yaml            calls and what must come of them
//
// Load reads all of it or refuses all of it, and says everything that is wrong at once. What it refuses, besides what is not
// Cedar, is what would weaken a bundle by accident: a rule that can never match, one that Cedar would leave out because of an
// error, one that reads what may not be there, an annotation that nobody knows.
//
// A decision takes three steps. Permits and forbids decide, and an error in a forbid denies, which in Cedar alone it does not.
// Then forbids with a remedy make a challenge of what was allowed, with everything that is lacking. Then the annotations of the
// permits that matched add obligations.
//
//	problem.go, files.go, manifest.go, entities.go   what a bundle is made of
//	definition*.go, schema*.go, shape*.go, args*.go  what servers define, as types, and arguments as values of them
//	rule.go, annotation.go, lint*.go                 one rule, and what is refused
//	load.go, index.go                                from files to an Engine
//	context.go, decide.go, visible.go                the decision
//	format*.go, cases*.go, coverage*.go, explain*.go, difference*.go   what a team works with
package cedar
