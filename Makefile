# Everything a developer or the CI runs. `make` alone lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

# SEEDS is how many simulated shops `make check` runs, FUZZTIME how long `make fuzz` spends on each target.
SEEDS       ?= 3000
FUZZTIME    ?= 30s
# ARGS goes to the demo: make demo ARGS=--once
ARGS        ?=

# Static programs: no cgo, no machine paths, no symbol tables.
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"

# $(call has-test,pattern,packages): a check that runs no test is no check, so fail if the pattern finds none.
has-test = $(GO) test -list '$(1)' $(2) | grep -E '^Test' >/dev/null || { echo "no test matches $(1) in $(2)" >&2; exit 1; }

.NOTPARALLEL:
.PHONY: help demo test check bench lint fuzz build build-all \
	check-race check-simulation check-netns check-data check-fuzz check-readme

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 20

demo: build ## build, start a shop of three tills on loopback and watch it work (ARGS=--once ends by itself)
	@exec bin/till demo $(ARGS)

test: ## the tests everyone runs: no root, no network beyond loopback, no cgo
	$(GO) test ./...

check: lint check-race check-simulation check-netns check-data check-fuzz build-all check-readme ## everything the CI runs (root for the namespace tests)
	@echo "check: all held"

bench: ## benchmarks, then the table of figures with the machine's own floor beside each
	$(GO) test -run '^$$' -bench . -benchtime 1s -timeout 30m \
		$$(grep -rlE '^func Benchmark' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
	$(GO) test -tags bench ./node/nodetest/bench -run TestFigures -v -count 1 -timeout 30m

lint: ## go vet, gofmt and staticcheck, with every build tag
	$(GO) vet ./...
	$(GO) vet -tags netns ./...
	$(GO) vet -tags bench ./...
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { printf 'run gofmt -w on:\n%s\n' "$$unformatted" >&2; exit 1; }
	CGO_ENABLED=0 $(GO) run $(STATICCHECK) ./...
	CGO_ENABLED=0 $(GO) run $(STATICCHECK) -tags netns,bench ./...

fuzz: ## run every fuzz target for FUZZTIME (default 30s)
	@targets=$$(grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sort); \
	[ -n "$$targets" ] || { echo "no fuzz target found" >&2; exit 1; }; \
	while IFS=: read -r file func; do \
		echo "fuzz $$(dirname "$$file") $${func#func }"; \
		$(GO) test "$$(dirname "$$file")" -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME); \
	done <<<"$$targets"

build: ## static programs for this machine in bin/
	$(BUILD) -o bin/ ./cmd/...

build-all: ## static programs for linux amd64 and arm64 in bin/linux-*/
	GOOS=linux GOARCH=amd64 $(BUILD) -o bin/linux-amd64/ ./cmd/...
	GOOS=linux GOARCH=arm64 $(BUILD) -o bin/linux-arm64/ ./cmd/...

check-race: # all tests under the race detector, which needs cgo
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

check-simulation: # SEEDS simulated shops; a failing seed prints how to replay it
	@$(call has-test,^TestSeeds$$,./replication/simulation)
	$(GO) test ./replication/simulation -run '^TestSeeds$$' -count 1 -timeout 30m -args -seeds=$(SEEDS)

check-netns: # tills on real networks: namespaces, a bridge, multicast
	$(GO) test -tags netns -p 1 -count 1 -timeout 30m ./discovery/... ./node/nodetest/...

check-data: # the real sets, whole; generated ones of the same shape where they are absent
	@$(call has-test,RealData,./node/nodetest/...)
	TILLMESH_FULL=1 $(GO) test -v -run RealData -p 1 -count 1 -timeout 60m ./node/nodetest/...

check-fuzz: # five seconds for each fuzz target
	@$(MAKE) fuzz FUZZTIME=5s

check-readme: # the commands of the README, on two machines
	@if [ -x .ci/readme-walk ]; then .ci/readme-walk; else echo "no .ci/readme-walk here, README not walked"; fi
