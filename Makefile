# Everything a developer or the CI runs. `make` alone lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

# SEEDS is how many simulated shops `make check` runs, WHOLESEEDS how many of whole tills, FUZZTIME how long `make fuzz` spends on each target.
SEEDS       ?= 20000
WHOLESEEDS  ?= 200
FUZZTIME    ?= 30s
# ARGS goes to the demo: make demo ARGS=--once
ARGS        ?=

# Static programs: no cgo, no machine paths, no symbol tables.
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)"

# $(call has-test,pattern,packages): a check that runs no test is no check, so fail if the pattern finds none.
has-test = $(GO) test -list '$(1)' $(2) | grep -E '^Test' >/dev/null || { echo "no test matches $(1) in $(2)" >&2; exit 1; }

.NOTPARALLEL:
.PHONY: help demo test check bench lint fuzz build build-all \
	check-beside check-working check-network check-machines check-race check-seeds check-whole check-export check-netns check-data check-uplinks check-doubt check-fuzz check-readme

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 20

demo: build ## build, start a shop of three tills on loopback and watch it work (ARGS=--once ends by itself)
	@exec bin/till demo $(ARGS)

# Packages whose tests wait leave a processor to one more. Linking without debug tables saves a third of a minute.
test: ## the tests everyone runs: no root, no network beyond loopback, no cgo
	CGO_ENABLED=0 $(GO) test -ldflags '-s -w' -p $$(($$(nproc) + 1)) ./...

check: lint build-all check-race check-seeds check-beside ## what the CI runs after the tests (root for the namespace tests)
	@echo "check: all held"

# What mostly waits runs in two lanes beside what only computes and knows no real time, and steps back. The output of the lanes comes
# at the end. Any of them failing fails the check, after the others have ended.
check-beside:
	@logs=$$(mktemp -d); failed=; began=$$SECONDS; lanes="check-network check-machines"; declare -A of; \
	for lane in $$lanes; do $(MAKE) $$lane >"$$logs/$$lane" 2>&1 & of[$$lane]=$$!; done; \
	trap 'kill $${of[@]}' INT TERM; \
	nice -n 19 $(MAKE) check-working || failed="$$failed check-working"; \
	for lane in $$lanes; do wait $${of[$$lane]} || failed="$$failed $$lane"; echo "== beside that ran $$lane:"; cat "$$logs/$$lane"; done; \
	rm -r "$$logs"; echo "check-beside took $$((SECONDS - began)) s"; \
	[ -z "$$failed" ] || { echo "FAILED:$$failed, see above" >&2; exit 1; }

check-working: check-whole check-export check-fuzz

check-network: check-netns check-readme

check-machines: check-doubt check-uplinks check-data

bench: ## benchmarks, the table of figures with the machine's own floor beside each, then how cost grows, with plots
	$(GO) test -run '^$$' -bench . -benchtime 1s -timeout 30m \
		$$(grep -rlE '^func Benchmark' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)
	$(GO) test -tags bench ./node/nodetest/bench -run TestFigures -v -count 1 -timeout 30m
	$(GO) test -tags bench ./node/nodetest/bench/cloud -run TestFigures -v -count 1 -timeout 60m
	PLOTS=$(CURDIR)/docs/performance $(GO) test -tags bench ./node/nodetest/bench/scale -run TestScale -v -count 1 -timeout 30m

lint: ## go vet, gofmt and staticcheck, with every build tag
	$(GO) vet ./...
	$(GO) vet -tags netns ./...
	$(GO) vet -tags bench ./...
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { printf 'run gofmt -w on:\n%s\n' "$$unformatted" >&2; exit 1; }
	CGO_ENABLED=0 $(GO) run $(STATICCHECK) ./...
	CGO_ENABLED=0 $(GO) run $(STATICCHECK) -tags netns,bench ./...

# Files of the targets go to memory where there is such a place: a disk that is slow to sync makes them run too seldom.
fuzz: ## run every fuzz target for FUZZTIME (default 30s, or a number of inputs: 5000x)
	@bin=$$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d); trap 'rm -rf "$$bin"' EXIT; mkdir "$$bin/tmp"; cache=$$($(GO) env GOCACHE)/fuzz; \
	dirs=$$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); \
	[ -n "$$dirs" ] || { echo "no fuzz target found" >&2; exit 1; }; \
	for dir in $$dirs; do \
		$(GO) test -c -fuzz Fuzz -o "$$bin/fuzz" "$$dir"; \
		funcs=$$(cd "$$dir" && "$$bin/fuzz" -test.list '^Fuzz' | grep '^Fuzz'); \
		for func in $$funcs; do \
			echo "fuzz $$dir $$func"; \
			(cd "$$dir" && TMPDIR="$$bin/tmp" "$$bin/fuzz" -test.run '^$$' -test.fuzz "^$$func\$$" -test.fuzztime $(FUZZTIME) \
				-test.fuzzcachedir "$$cache/$$dir" -test.timeout 0); \
		done; \
	done

build: ## static programs for this machine in bin/
	$(BUILD) -o bin/ ./cmd/...

build-all: ## static programs for linux amd64 and arm64 in bin/linux-*/
	GOOS=linux GOARCH=amd64 $(BUILD) -o bin/linux-amd64/ ./cmd/...
	GOOS=linux GOARCH=arm64 $(BUILD) -o bin/linux-arm64/ ./cmd/...

# Rooms that start no goroutine and take no lock, in their tests neither, have nothing to race with; those that use them run here.
# Scenario 8 is timed by real processes; what it runs is here in the tests of node/nodetest/uplink, and it has check-uplinks.
# SQLite is C that was made Go: with the detector in it everything that uses it takes twice as long, and it is not ours.
check-race: # the race detector, which needs cgo; planted mistakes of whole tills are left to "make test"
	@racy=$$(grep -rlE '^\s*go (func|[A-Za-z_.]+\()|t\.Parallel\(\)|sync\.|atomic\.|synctest' --include='*.go' . | xargs -n1 dirname | sort -u); \
	echo "$(GO) test -race, $$(wc -w <<<"$$racy") packages"; CGO_ENABLED=1 GOFLAGS=-gcflags=modernc.org/...=-race=false \
		$(GO) test -race -skip '^TestTwoUplinks$$' -timeout 30m $$racy

check-seeds: # SEEDS simulated shops; a failing seed prints how to replay it
	@$(call has-test,^TestSeeds$$,./replication/simulation)
	$(GO) test ./replication/simulation -run '^TestSeeds$$' -count 1 -timeout 30m -args -seeds=$(SEEDS)

check-whole: # WHOLESEEDS simulated shops of whole tills, the same
	@$(call has-test,^TestSeeds$$,./node/nodetest/whole)
	$(GO) test ./node/nodetest/whole -run '^(TestSeeds|TestSeedsWithSigningDevices|TestCardDays|TestScenarios)$$' -count 1 \
		-timeout 30m -args -seeds=$(WHOLESEEDS) -long

check-export: # each byte of an export of the archive, changed once, is found and named
	@$(call has-test,^TestEachByteOfAnExport,./cloudlink/archive/export)
	TILLMESH_FULL=1 $(GO) test ./cloudlink/archive/export -run '^TestEachByteOfAnExportIsFoundAndNamed$$' -count 1 -timeout 30m

check-netns: # tills on real networks: namespaces, a bridge, multicast
	$(GO) test -tags netns -p 1 -count 1 -timeout 30m ./discovery/...
	@names=$$(grep -lE '^//go:build netns' node/nodetest/*_test.go | xargs grep -hoE '^func Test[A-Za-z0-9_]+' | sed 's/^func //' | grep -v '^TestMain$$' | paste -sd'|'); \
	[ -n "$$names" ] || { echo "no test with the tag netns found" >&2; exit 1; }; \
	$(GO) test -tags netns -p 1 -count 1 -timeout 30m -run "^($$names)\$$" ./node/nodetest

check-data: # the real sets, whole; generated ones of the same shape where they are absent
	@$(call has-test,RealData,./node/nodetest/...)
	TILLMESH_FULL=1 $(GO) test -v -run RealData -p 1 -count 1 -timeout 60m ./node/nodetest/... ./node/journal/...

check-uplinks: # many receipts, a lossy line, a frozen till, a server that is killed: each is archived once
	@$(call has-test,^TestTwoUplinks$$,./node/nodetest)
	TILLMESH_FULL=1 $(GO) test -v ./node/nodetest -run '^TestTwoUplinks$$' -count 1 -timeout 60m

check-doubt: # stores that were restored, copied, cloned or damaged; kills at each change of a file, power cuts and a full disk (root)
	@$(call has-test,StoreInDoubt,./node/nodetest)
	TILLMESH_FULL=1 TILLMESH_RESTARTS=200 $(GO) test ./node/nodetest -run 'StoreInDoubt|CloneOfATill|WholeMachine|AuditOnDemand|PowerCuts|FullDisk|Killed' \
		-count 1 -timeout 30m

# A number of inputs, not a time: until Go 1.27 a target may fail with "context deadline exceeded", and no input, when its time is
# up on a busy machine (golang.org/issue/75804).
check-fuzz: # each fuzz target a little
	@$(MAKE) fuzz FUZZTIME=2000x

check-readme: # the commands of the README, on two machines
	@if [ -x .ci/readme-walk ]; then .ci/readme-walk; else echo "no .ci/readme-walk here, README not walked"; fi
