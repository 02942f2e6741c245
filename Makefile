# Two commands on a fresh machine: `make demo` and `make test`. They need Python 3.11 or later, and make.
PYTHON ?= python3
PY := .venv/bin/python
VIMU_DATA ?= ../shared/data
export RAY_USAGE_STATS_ENABLED = 0

.PHONY: demo cluster-demo test chaos reliability lint audit licences sbom fuzz mutation soak wheelhouse
.PHONY: open-data open lanhar realism clean

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/.installed ## the main job on generated data, into runs/demo
	$(PY) -m vimu.demo data/demo
	$(PY) jobs/pipeline.py --config configs/demo.yaml

cluster-demo: .venv/.installed ## a cluster of two nodes on loopback, closed by a token; the pipeline submitted to it: runs/cluster-demo
	test -d data/demo || $(PY) -m vimu.demo data/demo
	$(PY) -m vimu.cluster configs/demo.yaml
	.venv/bin/vimu status runs/cluster-demo

# Tests of `vimu review` need a browser: apt-get install chromium chromium-driver. They are skipped without.
test: .venv/.installed ## all tests but those of `make chaos`, in two processes: those that share a Ray, and the others
	VIMU_DATA=$(VIMU_DATA) $(PY) -m pytest --numprocesses 2

chaos: .venv/.installed ## kill drivers, workers and nodes of running jobs, fill disks, submit to a cluster
	$(PY) -m pytest -m chaos tests/chaos

reliability: .venv/.installed ## docs/reliability.md: the tests of tests/faults.yaml's rows, `make chaos`'s among them, and how they ended
	VIMU_DATA=$(VIMU_DATA) $(PY) tests/reliability.py

lint: .venv/.installed ## ruff, bandit, mypy, import-linter
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m bandit -q -c pyproject.toml -r platform jobs benchmarks deploy
	$(PY) -m mypy
	.venv/bin/lint-imports

wheelhouse: .venv/.installed ## what machines without a network install from: docs/cluster.md
	$(PY) -m pip wheel --quiet --constraint constraints.txt --wheel-dir wheelhouse '.[cluster,s3,serving]'

audit: licences sbom ## known vulnerabilities of the pinned packages, their licences, runs/sbom.json
	$(PY) -m deploy.audit

licences: .venv/.installed ## docs/dependencies.md
	$(PY) -m deploy.dependencies

sbom: .venv/.installed ## runs/sbom.json: the pinned packages as CycloneDX
	$(PY) -m deploy.sbom

FUZZ_MINUTES ?= 10
READERS ?= $(shell sed -n 's/^    "\([a-z_]*\)": Reader.*/\1/p' tests/fuzz/targets.py)

.venv/.fuzz: .venv/.installed
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[dev,fuzz]'
	touch $@

fuzz: .venv/.fuzz ## damaged files against every reader (READERS), FUZZ_MINUTES each, guided by coverage: runs/fuzz
	@for reader in $(READERS); do \
	  PYTHONPATH=tests $(PY) -m fuzz.atheris_driver $$reader --minutes $(FUZZ_MINUTES) || exit; done

mutation: .venv/.installed ## whether a test fails where the code is wrong: runs/mutation.json; an hour at most
	PYTHONPATH=tests $(PY) -m mutation.sample

SOAK_MINUTES ?= 60

soak: .venv/.installed ## synthesize and resume over and over, killed now and then: what is left, and whether memory grows
	$(PY) -m benchmarks.soak --minutes $(SOAK_MINUTES)

open-data: ## unpack the open archives found in VIMU_DATA
	@for f in mocap_bandai_bvh/bandai_bvh_subset.tar.xz imu_umafall/umafall_core.tar.xz; do \
	  test -f $(VIMU_DATA)/$$f || { echo "error: $(VIMU_DATA)/$$f does not exist; see the README for what it holds"; exit 2; }; done
	mkdir -p data/bandai data/umafall
	tar xJf $(VIMU_DATA)/mocap_bandai_bvh/bandai_bvh_subset.tar.xz -C data/bandai
	tar xJf $(VIMU_DATA)/imu_umafall/umafall_core.tar.xz -C data/umafall

open: .venv/.installed ## the main job on real mocap and real recordings, windows of 4 s and of 2 s: runs/open, runs/open-2s
	$(PY) jobs/pipeline.py --config configs/open.yaml
	$(PY) jobs/pipeline.py --config configs/open-2s.yaml

.venv/.lanhar: .venv/.installed
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[dev,lanhar]'
	touch $@

data/hapt/Raw-Data:
	@test -f $(VIMU_DATA)/imu_hapt/hapt_raw.tar.xz || { echo "error: $(VIMU_DATA)/imu_hapt/hapt_raw.tar.xz does not exist; see docs/semantics.md"; exit 2; }
	mkdir -p data/hapt
	tar xJf $(VIMU_DATA)/imu_hapt/hapt_raw.tar.xz -C data/hapt

JOB = $(PY) jobs/$(1).py --config configs/$(2).yaml
TWO_SECONDS = --set prepare.windows.length_frames=40 --set prepare.windows.hop_frames=20 --set prepare.clips=runs/lanhar-synthetic/synthesize

lanhar: .venv/.lanhar data/hapt/Raw-Data ## docs/semantics.md: windows named by words, on the data that open-data unpacks: runs/lanhar, runs/lanhar-synthetic
	for job in synthesize prepare interpret; do $(PY) jobs/$$job.py --config configs/lanhar.yaml || exit; done
	$(call JOB,prepare,lanhar_umafall) --set prepare.clips=runs/lanhar/synthesize
	$(call JOB,prepare,lanhar_umafall) --set prepare.clips=runs/lanhar/synthesize \
	  --set name=lanhar-umafall-waist --set 'prepare.windows.sensors=[waist]'
	for job in synthesize prepare; do $(PY) jobs/$$job.py --config configs/lanhar_synthetic.yaml || exit; done
	$(call JOB,prepare,lanhar_synthetic) --set name=lanhar-mocap --set prepare.clips=runs/lanhar-synthetic/synthesize \
	  --set prepare.windows.length_frames=80 --set prepare.windows.hop_frames=40
	for job in align evaluate; do $(PY) jobs/$$job.py --config configs/lanhar.yaml || exit; done
	for sensor in right_wrist waist; do \
	  $(call JOB,prepare,lanhar_umafall) $(TWO_SECONDS) --set name=lanhar-2s-$$sensor --set "prepare.windows.sensors=[$$sensor]" || exit; done
	$(call JOB,prepare,lanhar) $(TWO_SECONDS) --set name=lanhar-2s-hapt
	for job in align evaluate; do $(PY) jobs/$$job.py --config configs/lanhar_synthetic.yaml || exit; done

realism: .venv/.installed ## docs/realism.md: virtual against real sensors, on the data that open-data unpacks
	$(PY) -m vimu.evaluation.realism --data $(VIMU_DATA) --write docs/realism.md

clean: ## remove .venv and what the demo made; other runs stay
	rm -rf .venv runs/demo data/demo
