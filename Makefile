# Works from any folder: make -C FOLDER, make -f FOLDER/Makefile; make's own functions would split a path at its spaces.
ROOT := $(shell file=$$(printf %s '$(subst ','\'',$(MAKEFILE_LIST))' | sed 's/^ //'); CDPATH='' cd -- "$$(dirname -- "$$file")" && pwd -P)
IN   := cd "$(ROOT)" &&
BIN  := .venv/bin
PY   := $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-fast test-containers lint types chaos bench bench-quick bench-speed invariants clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' "$(ROOT)/Makefile" | awk -F'|' '{printf "%-15s %s\n", $$1, $$2}'

setup: ## prepare .venv (needs the network once) · 准备运行环境
	@"$(ROOT)/deploy/local/setup.sh"

demo: setup ## run the main job on the sample; options in DEMO="--exit …" · 运行演示
	@"$(ROOT)/parkunion" demo $(DEMO)

up: setup ## start a stack in .parkunion/ · 启动平台
	@"$(ROOT)/parkunion" up --detach

down: setup ## stop it · 停止平台
	@"$(ROOT)/parkunion" down

test: setup ## all tests; options in TEST="-k …" · 全部测试
	@$(IN) PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder -m "not endurance" $(TEST)

test-fast: setup ## unit, contract and architecture tests · 快速测试
	@$(IN) $(BIN)/pytest tests/unit tests/contract tests/architecture -m "not slow" $(TEST)

test-containers: setup ## the tests of PostgreSQL and Kafka, on containers (needs Docker) · 用容器运行数据库与消息测试
	@$(IN) PARKUNION_TEST_CONTAINERS=1 TESTCONTAINERS_RYUK_DISABLED=$${TESTCONTAINERS_RYUK_DISABLED:-true} \
	$(BIN)/pytest tests/contract tests/integration --ignore=tests/integration/local $(TEST)

chaos: setup ## break everything at once, under load, for 20 minutes at most; PARKUNION_TEST_SEED=N does the same again · 混沌测试
	@$(IN) export PYTEST_ADDOPTS=--timeout=0 PARKUNION_TEST_SEED=$${PARKUNION_TEST_SEED:-$$($(PY) -c 'import secrets; print(secrets.randbelow(2**32))')} \
	PARKUNION_TEST_CHAOS_SECONDS=$${PARKUNION_TEST_CHAOS_SECONDS:-600} PARKUNION_TEST_HISTORIES=$${PARKUNION_TEST_HISTORIES:-2000} \
	PARKUNION_TEST_EVERY_LINE=1 PARKUNION_TEST_ROUNDS=$${PARKUNION_TEST_ROUNDS:-2}; echo "PARKUNION_TEST_SEED=$$PARKUNION_TEST_SEED"; \
	log=$$(mktemp); others() { $(BIN)/pytest -q -n 3 --dist loadscope --durations=20 -m "not endurance" $$(ls tests/chaos/test_*.py | grep -v test_platform) tests/unit/metrics/folding/test_histories.py tests/migrations/test_rolling_upgrade.py; \
	first=$$?; $(BIN)/pytest -q -n 2 --dist loadscope --durations=20 -m endurance tests; return $$((first | $$?)); }; others > "$$log" 2>&1 & others=$$!; \
	$(BIN)/pytest -q -s tests/chaos/test_platform.py $(TEST); platform=$$?; wait $$others; others=$$?; cat "$$log"; rm -f "$$log"; exit $$((platform | others))

lint: setup ## style and the walls between the rooms · 代码检查
	@$(IN) $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: setup ## mypy --strict · 类型检查
	@$(IN) $(BIN)/mypy

bench: setup ## the measurements, on stacks of their own; options in BENCH="…" · 性能测量
	@$(IN) $(PY) -m bench.sample --setup && data=$$(mktemp -d) && trap './parkunion down --data "$$data"; rm -rf "$$data"' EXIT && ./parkunion up --detach --data "$$data" && \
	$(PY) -m bench.memory --data "$$data" && $(PY) -m bench.latency --data "$$data" $(BENCH)

bench-quick: setup ## speed of the projectors, 400,000 events, some minutes; SEED=N does the same again · 快速测速
	@$(IN) $(PY) -m bench.speed quick $(if $(SEED),--seed $(SEED))

bench-speed: setup ## speed of the projectors beside peers and ceilings, an hour at most; SEED=N · 完整测速
	@$(IN) $(PY) -m bench.speed full $(if $(SEED),--seed $(SEED))

invariants: setup ## each invariant with its tests · 不变量与其测试
	@$(IN) $(PY) -m tests.invariants

clean: ## remove the environment and caches (not the data in .parkunion/) · 清理
	@$(IN) rm -rf .venv .venv-peers .setup.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
