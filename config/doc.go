// Package config is the configuration of an installation as a value, and as the YAML file that shows it.
//
// It opens no other file and starts nothing. What a role takes as options stands here as the role's own type. No secret
// stands in it: a value can refer to one as ${env:NAME} or ${file:PATH}, which Resolve looks up.
package config
