# Needs Python 3.11, 3.12 or 3.13 and make. Another interpreter: make book PYTHON=python3.12
PYTHON ?= python3

html_python = .venv-html/bin/python
full_python = .venv/bin/python

.PHONY: help html-venv full-venv book test lab run record bench clean

help:
	@echo "make book    build the HTML book from the stored outputs (small set-up, no torch)"
	@echo "make test    set everything up, build the book and run all tests"
	@echo "make lab     open the chapters in JupyterLab"
	@echo "make run     execute every chapter here, into _build/run, and render the result"
	@echo "make record  train what the chapters claim and store the outputs (for a GPU)"
	@echo "make bench   measure training speed, memory and layers on this machine"
	@echo "make clean   remove what was built and the virtual environments"

html-venv:
	@$(PYTHON) tools/setup_venv.py .venv-html requirements-html.txt --quiet

full-venv:
	@$(PYTHON) tools/setup_venv.py .venv requirements.txt tests/requirements.txt --no-deps d2l==1.0.3

book: html-venv
	@$(html_python) tools/build.py

test: full-venv
	@$(full_python) tools/build.py
	@$(full_python) -m pytest

lab: full-venv
	@cd book && ../$(full_python) -m jupyterlab

# The pages are rendered even where a chapter failed: its error is then on its page.
run: full-venv
	@status=0; \
	$(full_python) tools/execute.py --into _build/run/book || status=1; \
	$(full_python) tools/build.py --source _build/run/book --output _build/run || status=1; \
	exit $$status

record: full-venv
	@cd book && ../$(full_python) -m nin.record all
	@$(full_python) tools/execute.py --in-place

bench: full-venv
	@cd book && ../$(full_python) -m nin.bench

clean:
	rm -rf _build .venv .venv-html
