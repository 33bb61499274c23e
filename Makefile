# Tidemark. `make run` shows this machine's volumes, `make test` proves that everything works; `make help` lists the rest.

SHELL       := /bin/bash
GO          ?= go
TOOL        := $(GO) tool -modfile=tools/go.mod
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION)
GO_FILES    := $(shell find . -name '*.go' -not -path './tools/*')
# The race detector needs cgo, and that a C compiler; the product never does.
CC_FOUND    := $(shell command -v gcc || command -v cc || command -v clang)
TEST_TIMEOUT ?= 12m
FUZZTIME    ?= 30s
# What make bench measures; one package alone: make bench BENCH=./planner/forecast
BENCH       ?= ./cmd/tidemark ./internal/history ./planner/csvinput ./planner/forecast ./tiering ./tiering/catalog ./tiering/digest ./tiering/policy \
               ./tiering/scan ./tiering/selection

.PHONY: help run demo build test crash check fmt vet staticcheck bench fuzz clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: build ## see this machine's volumes and outlooks, until interrupted
	@exec bin/tidemark up

demo: build ## the same with a made-up year of history
	@exec bin/tidemark up --demo

build: bin/tidemark ## build bin/tidemark, one static binary

bin/tidemark: $(GO_FILES) go.mod go.sum
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/tidemark

test: ## everything, with the race detector and a real InfluxDB
ifeq ($(CC_FOUND),)
	@echo "make test: no C compiler found, so the race detector stays off (install gcc to have it)" >&2
	CGO_ENABLED=0 $(GO) test -timeout $(TEST_TIMEOUT) ./...
else
	CGO_ENABLED=1 $(GO) test -race -timeout $(TEST_TIMEOUT) ./...
	$(GO) test -timeout $(TEST_TIMEOUT) -run "TestEveryStep|TestUsersAreFaster" ./tiering/mover # every step; under the race detector only some
	$(GO) test -timeout $(TEST_TIMEOUT) ./planner/forecast # whole; under the race detector less
endif

crash: ## power cuts, kills and errors at every step of a move, in memory and on real filesystems, more of them than make test tries (TIDEMARK_CRASH=1; an hour)
	TIDEMARK_CRASH=1 $(GO) test -timeout 6h -v -run "TestEveryStep|TestUsersAreFaster" ./tiering/mover
	TIDEMARK_CRASH=1 $(GO) test -timeout 6h -v -run 'TestKilled|TestPowerCuts|Midway|TestRacing|TestNoAppend|TestEverythingOfAFile' ./tiering
	TIDEMARK_CRASH=1 $(GO) test -timeout 6h -v -run TestKilledAtSystemCalls ./cmd/tidemark

check: fmt vet staticcheck test ## what must hold before a commit

fmt: ## fail on files that gofumpt would change
	@out="$$($(TOOL) gofumpt -l $(GO_FILES))"; [ -z "$$out" ] || { echo "not formatted (run: go tool -modfile=tools/go.mod gofumpt -w .):"; echo "$$out"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	$(TOOL) staticcheck ./...

bench: build ## speed and footprint, beside the tools people use today (docs/performance.md)
	TIDEMARK_BIN=$(CURDIR)/bin/tidemark $(GO) test -run '^$$' -bench . -timeout 90m $(BENCH)

fuzz: ## fuzz everything that parses, FUZZTIME each
	@set -e; for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -run '^$$' -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

clean: ## remove what was built
	rm -rf bin
