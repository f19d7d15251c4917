# Everything that is done with Vedette from a checkout; `make help` explains.
# Nothing needs to be installed first but Python 3.11 or newer, git and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

DATA   ?=
RUN    ?= $(if $(DATA),runs/$(shell basename "$$(realpath -m "$(DATA)")"),runs/last)
MODEL  ?= $(RUN)/model.tflite
CAMERA ?= $(RUN)/photographs
IMAGES ?=
FLAGS  ?=
MQTT   ?=
MQTT_PASSWORD_FILE ?=
PAGE   ?=

comma := ,

.DEFAULT_GOAL := help
.PHONY: help setup demo train recipe convert predict run deploy bundle check format lint types boundaries test test-workstation test-coverage edge-environment test-edge test-bookworm test-bookworm-quick test-systemd test-install test-install-quick test-home-assistant test-home-assistant-quick test-arm64 test-arm64-quick test-v4l2 fuzz endurance clean

help: ## Explain every target
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-25s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings: DATA=folder RUN=folder MODEL=file CAMERA=source IMAGES='files or folders'"
	@echo "            PI=user@host SYSTEM=bookworm-arm64 or trixie-arm64 (make bundle SYSTEM=? names all)"
	@echo "            MQTT=mqtt://user@host MQTT_PASSWORD_FILE=file, of the broker that a Pi tells"
	@echo "            PAGE=1, for the page of the watch in the Pi's network"
	@echo "            (names with spaces in further quotes: IMAGES=\"'my photo.jpg' b.jpg\")"
	@echo "            FLAGS='further flags', e.g. make train DATA=photos FLAGS='--size 192'"
	@echo "  After make train DATA=photos, make convert and make run use the last run."

setup: $(READY) ## Create the environment in .venv (every other target does this too)

$(READY): constraints.txt pyproject.toml train/pyproject.toml convert/pyproject.toml edge/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than Python 3.11; set PYTHON=/path/to/a/newer/one" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "No venv for $(PYTHON); on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV): about 0.8 GB to download and 2.9 GB on disk, a few minutes; only once"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	@# On a terminal, pip shows its progress.
	@test -t 1 || quiet=--quiet; \
	  $(BIN)/python -m pip install $$quiet --constraint constraints.txt --group dev \
	    --build-constraint constraints.txt \
	    --editable 'edge[litert,heif,mqtt,metrics,page,cluster,remote]' --editable 'train[pretrained,tensorboard]' --editable convert
	@touch $@

demo: $(READY) ## Draw the demonstration set, train, convert, classify: the whole product once
	@rm -rf runs/demo demo/cards demo/frames
	@echo "1 of 4: drawing 50 classes of symbol cards"
	@$(BIN)/vedette-train cards demo
	@echo "2 of 4: training the recipe on them: two convolutions, from scratch"
	@$(MAKE) --no-print-directory recipe DATA=demo/cards RUN=runs/demo
	@echo "3 of 4: converting to one .tflite file, judged against the float model"
	@$(MAKE) --no-print-directory convert RUN=runs/demo
	@echo "4 of 4: classifying held-out frames; each lies in a folder named after what it shows"
	@$(BIN)/vedette predict runs/demo/model.tflite demo/frames --evaluate
	@cat docs/after-the-demo.txt

train: $(READY) ## Train: make train DATA=photos [RUN=runs/photos]
	@test -n "$(DATA)" || \
	  { echo "Name the folder with the photographs, one folder per class: make train DATA=photos" >&2; exit 2; }
	@test -d "$(DATA)" || { echo "$(DATA): folder not found" >&2; exit 2; }
	@# Only a run that was made or interrupted becomes the last one, hence the trap.
	@echo '$(BIN)/vedette-train fit "$(DATA)" --out "$(RUN)" $(FLAGS)'; trap : INT; \
	  $(BIN)/vedette-train fit "$(DATA)" --out "$(RUN)" $(FLAGS); code=$$?; \
	  if [ $$code = 0 -o $$code = 130 ] && [ -e "$(RUN)/Trained_Weight.h5" ]; then mkdir -p runs; \
	    ln -sfn "$$(realpath "$(DATA)")" "$(RUN)/photographs"; \
	    ln -sfn "$$(realpath "$(RUN)")" runs/last; fi; exit $$code

recipe: override FLAGS := --architecture cnn $(FLAGS)
recipe: RUN := $(if $(findstring file,$(origin RUN)),$(RUN)-recipe,$(RUN))
recipe: train ## Train the recipe, cnn, instead: make recipe DATA=photos [RUN=runs/photos]

convert: $(READY) ## Convert the last run, or RUN=folder, to RUN/model.tflite
	@test -d "$(RUN)" || { echo "$(RUN): no run there; first: make train DATA=photos" >&2; exit 2; }
	$(BIN)/vedette-convert "$(RUN)" $(FLAGS)

model_exists = test -e "$(MODEL)" || \
  { echo "$(MODEL): no model there; first: make convert" >&2; exit 2; }

# One name may have spaces; of several, the shell itself tells whether it can read them.
predict: $(READY) ## Classify pictures: make predict IMAGES='a.jpg b.jpg' [MODEL=model.tflite]
	@test -n "$$IMAGES" || \
	  { echo "Name the pictures: make predict IMAGES='photo.jpg folder'" >&2; exit 2; }
	@test -e "$$IMAGES" || printf '%s' "set -- $$IMAGES" | sh -n 2>/dev/null || \
	  { echo "IMAGES: a quote or a bracket in a name; put the name in further quotes," \
	      "IMAGES=\"'photo (1).jpg' b.jpg\", or name its folder" >&2; exit 2; }
	@$(model_exists)
	@if [ -e "$$IMAGES" ]; then set -- "$$IMAGES"; else eval "set -- $$IMAGES"; fi; \
	  set -x; $(BIN)/vedette predict "$(MODEL)" "$$@" $(FLAGS)

run: $(READY) ## Watch with the last model: [MODEL=file] [CAMERA=folder or video]
	@$(model_exists)
	$(BIN)/vedette run "$(MODEL)" --camera "$(CAMERA)" --log "$(basename $(MODEL)).watch.jsonl" $(FLAGS)
	@echo "Log: $(basename $(MODEL)).watch.jsonl" >&2
	@test "$(CAMERA)" != "$(RUN)/photographs" || echo "These were the photographs of the run, most of" \
	  "which it was trained on; to watch others: make run CAMERA=folder, video or camera" >&2

# MODEL, or else the last model, if there is one.
along = model="$(MODEL)"; [ "$(origin MODEL)" != file ] || [ -e "$$model" ] || model=; \
  echo "Model to install: $${model:-none, the Pi keeps its own}" >&2
deploy: $(READY) ## Install on a Pi over ssh: make deploy PI=pi@raspberrypi [MODEL=file] [CAMERA=source] [MQTT=url] [PAGE=1] [SYSTEM]
	@test -n "$(PI)" || { echo "Name the Pi: make deploy PI=pi@raspberrypi" >&2; exit 2; }
	@case "$$MQTT" in *//*:*@*) echo "MQTT: a password shows in the list of processes;" \
	  "leave it out, and name its file: MQTT_PASSWORD_FILE=file" >&2; exit 2 ;; esac
	@test -z "$$MQTT_PASSWORD_FILE" || test -f "$$MQTT_PASSWORD_FILE" || \
	  { echo "$$MQTT_PASSWORD_FILE: file not found" >&2; exit 2; }
	@$(along); archive=$$(edge/bundle.sh "$(SYSTEM)" "$$model") && \
	  edge/deploy.sh "$$archive" "$(PI)" $(if $(filter file,$(origin CAMERA)),,--camera "$(CAMERA)") \
	    $(if $(MQTT),--mqtt "$$MQTT") \
	    $(if $(MQTT_PASSWORD_FILE),--mqtt-password-file "$$MQTT_PASSWORD_FILE") $(if $(PAGE),--page)

bundle: $(READY) ## Make one archive that installs without internet: make bundle SYSTEM=bookworm-arm64
	@test -n "$(SYSTEM)" || { echo "Name the system: make bundle SYSTEM=bookworm-arm64" >&2; exit 2; }
	@$(along); edge/bundle.sh "$(SYSTEM)" "$$model"

check: format lint types boundaries test ## Check everything: format, lint, types, boundaries, test

format: $(READY) ## Check the formatting (.venv/bin/ruff format . fixes it)
	$(BIN)/ruff format --check --quiet .

lint: $(READY) ## Check the code with ruff
	$(BIN)/ruff check --quiet .

types: $(READY) ## Check the types with mypy
	nice $(BIN)/mypy

boundaries: $(READY) ## Check the imports between packages and rooms
	$(BIN)/lint-imports

test: test-edge test-workstation ## Run all tests but those of whole systems

# The edge's tests measure time, so the others run at low priority. Idle threads of numeric libraries
# spin, which slows down other processes.
workstation_tests = OMP_NUM_THREADS=1 nice $(BIN)/$(1) --ignore tests/edge --ignore tests/install \
  --ignore tests/systemd --ignore tests/home_assistant -n 2 --dist loadfile --no-loadscope-reorder
test-workstation: $(READY) ## Run all tests but the edge's, and slow ones that passed already
	@if tests/proved check coverage; then \
	    echo "without slow tests: tests/coverage.proved shows that they passed on these files"; \
	    $(call workstation_tests,pytest) -m 'not slow'; \
	  else tests/proved run coverage $(MAKE) --no-print-directory test-coverage; fi

test-coverage: export COVERAGE_FILE := build/coverage-workstation
test-coverage: $(READY) ## The same, and measure the branch coverage of train and convert
	@$(BIN)/coverage erase
	$(call workstation_tests,coverage run --source vedette_train$(comma)vedette_convert -m pytest)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include 'train/*' --fail-under 99
	$(BIN)/coverage report --include 'convert/*' --fail-under 98

# The edge as on a Pi: only the wheel, in its own environment.
EDGE_PYTHON   ?= $(PYTHON)
EDGE_VENV     ?= .venv-edge
EDGE_VERSIONS ?= constraints.txt
EDGE_WHEEL     = build/wheel$(EDGE_VENV)
edge-environment: ## Install the edge's wheel alone in .venv-edge, where its tests run
	@rm -rf $(EDGE_WHEEL)
	$(EDGE_PYTHON) -m venv --clear $(EDGE_VENV)
	$(EDGE_VENV)/bin/python -m pip install --quiet --constraint constraints.txt pip
	$(EDGE_VENV)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps \
	  --build-constraint constraints.txt --wheel-dir $(EDGE_WHEEL) ./edge
	$(EDGE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint $(EDGE_VERSIONS) "$$(echo $(EDGE_WHEEL)/*.whl)[litert,mqtt,metrics,page,cluster,remote]" \
	  coverage hypothesis pytest pytest-timeout pytest-xdist
	@! $(EDGE_VENV)/bin/python -c 'import tensorflow' 2>/dev/null

# These tests, and those of the service, wait more than they work.
test-edge: edge-environment ## Run the edge's tests on its wheel alone [EDGE_PYTHON=python3.13]
	$(EDGE_VENV)/bin/python -m pytest tests/edge -m 'not single_cpu' -n 4 --dist worksteal
	$(EDGE_VENV)/bin/python -m pytest tests/edge -m single_cpu

# The emulated Pi leaves out the tests that wait for processes; here all run. The coverage is theirs.
test-bookworm: ## Run the edge's tests here with a Bookworm Pi's packages, and measure their coverage
	@mkdir -p build
	tests/versions bookworm >build/bookworm.txt
	$(MAKE) --no-print-directory edge-environment EDGE_VENV=.venv-bookworm \
	  EDGE_PYTHON=python3.11 EDGE_VERSIONS=build/bookworm.txt
	@.venv-bookworm/bin/coverage erase
	.venv-bookworm/bin/coverage run --source vedette_edge -m pytest tests/edge -m 'not single_cpu' -n 4 --dist worksteal
	.venv-bookworm/bin/coverage run --source vedette_edge -m pytest tests/edge -m single_cpu
	@.venv-bookworm/bin/coverage combine --quiet
	.venv-bookworm/bin/coverage report --fail-under 94

test-bookworm-quick: ## The same, unless tests/bookworm.proved shows that it passed
	@tests/proved check bookworm || command -v python3.11 >/dev/null || \
	  { echo "python3.11, a Bookworm Pi's, not found: install it" >&2; exit 1; }
	@tests/proved run bookworm env CI=1 $(MAKE) --no-print-directory test-bookworm

test-systemd: edge-environment ## Boot systemd in namespaces, and try what docs/service.md promises
	$(EDGE_VENV)/bin/python -m pytest tests/systemd -n 3 --dist loadfile

test-install: $(READY) ## Run install.sh in a Debian of its own [SUITE=trixie] [ARCHITECTURE=arm64]
	SUITE=$(or $(SUITE),bookworm) $(if $(ARCHITECTURE),ARCHITECTURE=$(ARCHITECTURE)) \
	  $(BIN)/pytest tests/install

# With CI set, as skipped tests prove nothing.
test-install-quick: $(READY) ## The same, unless tests/install.proved shows that it passed
	@tests/proved run install env CI=1 $(MAKE) --no-print-directory test-install

test-home-assistant: $(READY) ## Ask real Home Assistants, and Node-RED, what they see of a watch
	$(BIN)/pytest tests/home_assistant -s

test-home-assistant-quick: $(READY) ## The same, unless tests/home-assistant.proved shows that it passed
	@tests/proved run home-assistant env CI=1 $(MAKE) --no-print-directory test-home-assistant

test-arm64: $(READY) ## Compare an emulated Pi with this machine [SUITE=trixie, or all]
	@nice tests/arm64/run $(or $(SUITE),bookworm)

test-arm64-quick: $(READY) ## The same, unless tests/arm64-models.proved shows that it passed
	@tests/proved run arm64-models env QUICK=1 nice tests/arm64/run || \
	  { [ $$? = 77 ] && echo "skipped, for the reason above"; }

test-v4l2: $(READY) ## Watch a real /dev/video0, the kernel's test driver, in a small virtual machine
	@tests/v4l2/vm $(BIN)/python tests/v4l2/camera.py

fuzz: $(READY) ## Damage model files for some minutes: none may crash the edge or fill its memory
	$(BIN)/pytest tests/edge/model/test_hostile.py tests/edge/model/test_forged_graphs.py \
	  --hypothesis-profile fuzz -o timeout=1800

endurance: $(READY) ## Kill and damage a watch as often as promised, then a million frames: half an hour
	ENDURANCE=1 $(BIN)/pytest tests/edge/survival -s -o timeout=3000
	ENDURANCE=1 $(MAKE) --no-print-directory test-systemd
	$(BIN)/python tests/scale/start.py tests/edge/colours.tflite
	$(BIN)/python tests/scale/frames.py

clean: ## Remove what was built; runs/ stays
	rm -rf .venv-edge .venv-bookworm build demo .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
