# The commands of CONTRIBUTING.md. `make check` is what CI runs.
.PHONY: build check thorough quick packages update kernels

build:
	go build -o curate ./cmd/curate

check:
	./scripts/check

# check, and what takes longer: fuzzing, races, portable code, other systems. Before a release, and after work on these.
thorough:
	./scripts/check all

# The tests alone, without the other checks.
quick:
	go test ./...

# Rewrites golden files, generated pages and the output in documents. Read the diff.
update: packages
	go test ./filter ./cmd/curate . -update

# The packages that the binary holds; a change is a change of what users get.
packages:
	go list -deps -f '{{if not .Standard}}{{.ImportPath}}{{end}}' ./cmd/curate | sort > cmd/curate/packages.txt

# The assembly of packages kernel and dedup.
kernels:
	cd tools/kernels && go run . ../..
