// Package config is the configuration of an installation as a value, and the YAML file that says the same.
//
//	Read    a file: every error at once, each with line and column
//	Check   a value that no file gave
//	YAML    the file of a value; Read gives the same value back
//	In      relative paths, as seen from the file's directory
//
// Reading is strict: an unknown or repeated key, a wrong type, a value that cannot be meant and members that contradict each
// other are errors. Of YAML 1.2 it leaves out anchors, aliases, tags, merge keys, directives, complex keys and several
// documents in one file: none of them says anything that a configuration needs, and some of them grow without bound.
//
// It opens no other file, looks nothing up and starts nothing. What a role takes as options stands here as the role's own
// type. No secret stands in it: a value refers to one as ${env:NAME} or ${file:PATH}, and whoever wires the installation
// looks it up.
package config
