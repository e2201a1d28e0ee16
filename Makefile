# Needs Python 3.11, 3.12 or 3.13 and make. Another interpreter: make book PYTHON=python3.12
PYTHON ?= python3

html_python = .venv-html/bin/python
full_python = .venv/bin/python
# make test CPU=1, at the first set-up: torch from PyTorch's own index, without CUDA's libraries (5.5 GB on Linux).
torch_from = $(if $(CPU),--torch-from https://download.pytorch.org/whl/cpu)

# One worker takes all cells of a notebook, in order.
pytest = $(full_python) -m pytest -n 2 --dist loadscope --nbval

.PHONY: help html-venv full-venv check book test test-all colab lab run record bench sprint linkcheck lock clean

help:
	@echo "make book    build the HTML book from the stored outputs (small set-up, no torch)"
	@echo "make test    set everything up, build the book and run all tests"
	@echo "make test-all  the slow tests as well, about a quarter of an hour"
	@echo "make check   look through all code by ruff, in a second"
	@echo "make colab   run every chapter, in seconds a cell, as a fresh Colab would: PYTHON=python3.13"
	@echo "make lab     open the chapters in JupyterLab"
	@echo "make run     execute every chapter here, into _build/run, and render the result"
	@echo "make record  train the runs that the chapters rest on and that are not recorded yet"
	@echo "make bench   measure training speed, memory and layers on this machine"
	@echo "make sprint  train from nothing to the section's accuracy, in seconds"
	@echo "make linkcheck  follow the pages' links to other sites"
	@echo "make lock    renew requirements-html.lock, by which the pages are published (needs uv)"
	@echo "make clean   remove what was built and the virtual environments"

html-venv:
	@$(PYTHON) tools/setup_venv.py .venv-html requirements-html.txt --quiet

full-venv:
	@$(PYTHON) tools/setup_venv.py .venv requirements.txt tests/requirements.txt --no-deps d2l==1.0.3 $(torch_from)

book: html-venv
	@$(html_python) tools/build.py

check: full-venv
	@$(full_python) -m ruff check --quiet

test: check
	@$(full_python) tools/build.py
	@$(pytest) -m "not slow"

# What needs minutes: recorders that are killed, a Dask cluster, every notebook at full size.
test-all: check
	@$(full_python) tools/build.py
	@$(pytest)

# Colab's versions, apart from all else: 6 GB, or 1 GB with CPU=1; then the chapters take two minutes.
colab:
	@$(PYTHON) tools/setup_venv.py .venv-colab tools/colab.txt --quiet $(torch_from)
	@.venv-colab/bin/python tools/colab.py

lab: full-venv
	@cd book && ../$(full_python) -m jupyterlab

# The pages are rendered even where a chapter failed: its error is then on its page.
run: full-venv
	@status=0; \
	$(full_python) tools/execute.py --into _build/run/book || status=1; \
	$(full_python) tools/build.py --source _build/run/book --output _build/run || status=1; \
	exit $$status

record: full-venv
	@cd book && ../$(full_python) -m nin record all

bench: full-venv
	@cd book && ../$(full_python) -m nin bench

sprint: full-venv
	@cd book && ../$(full_python) -m nin sprint

linkcheck: html-venv
	@$(html_python) tools/build.py --links

# After every change of requirements-html.txt. Versions that still fit are kept; pip install uv, if it is missing.
lock:
	uv pip compile requirements-html.txt --output-file requirements-html.lock --quiet --generate-hashes --universal \
	  --python-version 3.11 --no-emit-index-url --custom-compile-command "make lock"

clean:
	rm -rf _build .venv .venv-html .venv-colab
