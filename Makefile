# gpusignal: every target here works on a fresh Debian or Ubuntu machine with Go; what is missing is installed.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION  ?= $(shell cat VERSION)
REVISION ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
X        := github.com/prometheus/common/version
# -z lazy: go-nvml's symbols are bound at their first call; a hardened toolchain's -z now would end the process at start.
LDFLAGS  := -s -w -extldflags=-Wl,-z,lazy -X $(X).Version=$(VERSION) -X $(X).Revision=$(REVISION) -X $(X).Branch=main
LINT     := build/golangci-lint
export CGO_ENABLED = 1
# NVML's header marks calls as deprecated that go-nvml wraps and we never make.
export CGO_CFLAGS = -O2 -g -Wno-deprecated-declarations

.PHONY: help
help: ## Say what the targets do.
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: deps ## Build ./gpusignal.
	go build -trimpath -ldflags '$(LDFLAGS)' -o gpusignal .

.PHONY: run
run: build ## Run it: on the real driver where there is one, else on a simulated node. ARGS adds flags.
	@if [ -e /dev/nvidiactl ]; then ./gpusignal $(ARGS); \
	else echo "no NVIDIA driver here: a simulated node with eight GPUs, shared in every way (ARGS=--simulate.node=plain: not shared)"; mkdir -p build; \
	./gpusignal --simulate --simulate.log=build/simulation.log $(ARGS); fi

.PHONY: test
test: deps ## Run the tests, all but the charts' with the race detector. e2e has those that need Prometheus or a cluster.
	go test -race -timeout 5m -ldflags=-extldflags=-Wl,-z,lazy ./...
	cd test/e2e && go test -race ./bound ./books ./load
	$(CHARTS) go test -count=1 ./...

# Helm is built before its tests begin, for they have a time limit. They also read files outside of their module, and go test does not
# see that those have changed: -count=1 repeats no result.
CHARTS := cd charts && export CGO_ENABLED=0 && go tool -n helm >/dev/null &&
.PHONY: manifests
manifests: ## Write daemonset.yaml, kustomize/ and what the chart has of other folders anew.
	$(CHARTS) go test -update .

.PHONY: check-binary
check-binary: build ## Hold the built binary to its budget, and see that it binds lazily.
	go test -count=1 -run TestTheBinaryBindsLazily .
	@size=$$(stat -c %s gpusignal); echo "stripped binary: $$size bytes"; \
	[ "$$size" -le 30000000 ] || { echo "the binary is over its budget of 30 MB"; exit 1; }

HARDWARE := build/hardware-check
STUB     := $(CURDIR)/build/stub
.PHONY: hardware-check
hardware-check: build ## Prove gpusignal on this machine's GPU, or rehearse that; build/hardware-check can be carried. ARGS adds flags.
	@mkdir -p $(HARDWARE) $(STUB)
	go build -trimpath -ldflags '-s -w -extldflags=-Wl,-z,lazy' -o $(HARDWARE)/hardware-check ./nvml/cmd/hardware-check
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(HARDWARE)/kubelet ./sim/cmd/kubelet
	cp gpusignal nvml/cmd/hardware-check/carried/* $(HARDWARE)
	go test -count=1 -run TestCarriedPrograms ./nvml/cmd/hardware-check
	@if [ -e /dev/nvidiactl ]; then OUT=build $(HARDWARE)/run.sh short $(ARGS); \
	else echo "no NVIDIA driver here: a rehearsal on stub libraries, which say nothing of a GPU"; \
	gcc -std=gnu11 -shared -fPIC -O1 -pthread -o $(STUB)/libnvidia-ml.so.1 nvml/testdata/stub/*.c && \
	gcc -std=gnu11 -shared -fPIC -O1 -o $(STUB)/libcuda.so.1 nvml/cmd/hardware-check/cuda/testdata/cuda.c && \
	printf 'devices 1\ngpu.0.window_ms 167\ngpu.0.bursts $(STUB)/bursts\n' >$(STUB)/script && : >$(STUB)/bursts && \
	OUT=build GPUSIGNAL_STUB_SCRIPT=$(STUB)/script $(HARDWARE)/run.sh rehearsal -library $(STUB)/libnvidia-ml.so.1 \
	-cuda $(STUB)/libcuda.so.1 $(ARGS); fi

.PHONY: mutants
mutants: deps ## Show for each fault that a test turns red without the line that deals with it.
	cd tools && go run ./mutants -root ..

.PHONY: lint
lint: deps $(LINT) ## Check style, and who may import whom.
	$(LINT) run ./...
	go mod tidy -diff
	cd test/e2e && ../../$(LINT) run ./... && go mod tidy -diff
	cd tools && ../$(LINT) run ./mutants/...
	cd charts && ../$(LINT) run ./... && go mod tidy -diff

$(LINT): tools/go.mod tools/go.sum
	@mkdir -p build
	cd tools && CGO_ENABLED=0 go build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: fmt
fmt: $(LINT) ## Format the code.
	$(LINT) fmt

.PHONY: golden
golden: deps ## Write the golden files, docs/metrics.md and docs/engines.md anew.
	go test ./collector/ ./web/ -update
	go test -ldflags=-extldflags=-Wl,-z,lazy -run TestEnginesDocumentation . -update

.PHONY: bench
bench: deps ## Run the benchmarks, and that of the scanner beside other parsers.
	go test -run '^$$' -bench . -benchmem ./...
	cd test/parsers && go test -run '^$$' -bench . -benchmem .

.PHONY: fuzz
fuzz: deps ## Fuzz every parser for a minute each.
	@for p in $$(grep -l '^func Fuzz' --include='*_test.go' -r . | xargs -n1 dirname | sort -u); do \
	for f in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$p/*_test.go | sed 's/func //'); do \
	go test $$p -run '^$$' -fuzz "^$$f$$" -fuzztime 60s || exit 1; done; done

# Of all tests, those that need no cluster run beside the first that does, which times nothing; else before. ./machine makes the
# cgroup that a cluster's tests have.
RUN ?=
FIRST ?=
.PHONY: e2e
e2e: build ## Prove it on a real cluster of one node: as root; builds Kubernetes, Prometheus and KEDA (an hour of CPU time, once). RUN chooses tests.
	cd test/e2e && go run ./programs/build $(FIRST)
	cd test/e2e && go test -count=1 ./machine
	@mkdir -p build; set -o pipefail; cd test/e2e; \
	go test -count=1 -p 1 -timeout 30m -v $$(go list ./... | grep -v -e '/e2e$$' -e '/machine$$') >../../build/e2e-beside.log 2>&1 & beside=$$!; \
	$(if $(RUN),wait $$beside;) \
	go test -count=1 -timeout 60m -run '$(or $(RUN),.)' -v . $(FIRST) | tee ../../build/e2e.log; status=$$?; \
	wait $$beside || { status=1; cat ../../build/e2e-beside.log; }; \
	sed -n 's/.*\(PROVED: .*\)/\1/p' ../../build/e2e-beside.log ../../build/e2e.log; echo "e2e took $$((SECONDS / 60)) min $$((SECONDS % 60)) s"; exit $$status

.PHONY: e2e-first
e2e-first: ## Of e2e the first proof, the well-known HPA scales a model server, and what needs no cluster.
	$(MAKE) e2e RUN=TestTheWellKnownHPAScales FIRST=-first

.PHONY: e2e-warm
e2e-warm: ## e2e where all its programs are built, else e2e-first.
	@missing=$$(cd test/e2e && go run ./programs/build -n) || exit 1; \
	if [ -z "$$missing" ]; then $(MAKE) e2e; \
	else echo "not built yet: $$missing. The first proof alone; make e2e builds them and runs the rest"; $(MAKE) e2e-first; fi

.PHONY: truth
truth: build ## Measure how far the published utilisation is from a known load's, and how late, with a real Prometheus: half an hour.
	cd test/e2e && go test -count=1 -timeout 1h -run 'TestTruth|TestStep' -v ./prometheus -span 20m -steps 100

.PHONY: docs
docs: golden ## Write the generated pages of docs/.

.PHONY: image
image: ## Build the container image.
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) -t gpusignal:$(VERSION) .

.PHONY: deps
deps:
	@command -v gcc >/dev/null || { apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev; }

.PHONY: clean
clean: ## Remove what was built.
	rm -rf gpusignal build
