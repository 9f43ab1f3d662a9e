# Every target prints its time and, when something is missing, its name; `make deps` installs it.
# `make test` is enough on a fresh machine.

SHELL      := bash
timed      := testdata/tools/timed
need       := testdata/tools/need
BUILDFLAGS := -trimpath -ldflags='-s -w'

# Tests skip what needs a tool that is not installed, unless DOORWARD_REQUIRE names it: then they fail.
# A list with commas, of: postgres, node, chromium, python3. docs/decisions/0001-tooling.md says more.
export DOORWARD_REQUIRE ?= postgres,node,chromium,python3

SHARD      ?= 1/1
FUZZTIME   ?= 30s
CRASHES    ?= 1000
SOAK       ?= 1h
DATABASE   ?= sqlite

.PHONY: deps build test lint conformance conformance-client browser sabotage bench bench-scale fuzz crash soak clean

deps:
	@$(timed) deps testdata/tools/deps

build:
	@$(need) go
	@CGO_ENABLED=0 $(timed) build go build $(BUILDFLAGS) -o bin/doorward ./cmd/doorward

test: deps
	@$(timed) test testdata/tools/test

lint:
	@$(need) go git
	@$(timed) lint testdata/tools/lint

conformance-client:
	@$(need) go
	@CGO_ENABLED=0 $(timed) conformance-client go build $(BUILDFLAGS) -o bin/conformance-client ./testdata/conformance/client

conformance: build conformance-client
	@$(need) node npm-packages
	@$(timed) conformance testdata/tools/conformance

browser: build
	@$(need) node npm-packages chromium
	@$(timed) browser testdata/tools/browser

sabotage:
	@$(need) go git
	@$(timed) sabotage go run ./testdata/sabotage/run -shard=$(SHARD)

bench: build
	@$(need) node npm-packages postgres nginx haproxy
	@CGO_ENABLED=0 go build $(BUILDFLAGS) -o bin/bench-door ./testdata/bench/door
	@$(timed) bench testdata/tools/in interop go run ./bench
	@$(timed) bench-audit go test -run='^$$' -bench='HandOver|EncodeRecord' -count=5 ./audit
	@$(timed) bench-policy go test -run='^$$' -bench=Policy -benchtime=0.5s ./policy/cedar

# An empty database against a full one. It takes minutes and gigabytes.
bench-scale: build
	@$(need) node npm-packages postgres
	@$(timed) bench-scale testdata/tools/in interop go run ./bench -part=scale -rounds=9 -each=1s -database=$(DATABASE)

fuzz:
	@$(need) go
	@$(timed) fuzz testdata/tools/fuzz $(FUZZTIME)

# Both are the long forms of tests that `make test` runs short.
crash: build
	@$(need) postgres
	@DOORWARD_CRASHES=$(CRASHES) $(timed) crash go test -count=1 -timeout=2h -run='Crash|AWitnessIsLost' ./...

soak: build
	@DOORWARD_SOAK=$(SOAK) $(timed) soak go test -count=1 -timeout=24h -run=Soak ./...

clean:
	rm -rf bin results
