package config

import _ "embed"

// Schema is the JSON Schema (2020-12) of the file, for editors: what its members are, and which must be written. It knows
// less than Read, which also holds them against each other. It is made of the types here and of docs/configuration.md, by
// `go test ./config -run TestSchema -update`.
//
//go:embed schema.json
var Schema []byte
