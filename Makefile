# PyTorch from first principles: one Org file, fourteen scripts, and everything they make.

ORG      := pytorch-first-principles.org
PAGE     := pytorch-first-principles.html
EPUB     := $(PAGE:.html=.epub)
PDF      := $(PAGE:.html=.pdf)
SITE     := site
CHAPTERS := 01_data 02_tensors 03_gradient_descent 04_autograd 05_computation_graph 06_optimizer \
            07_loss 08_model 09_dataset 10_training_loop 11_checkpoint_and_scheduler \
            12_parallelism 13_hyperparameter_search 14_autoencoder
CHECKS   := $(foreach chapter,$(CHAPTERS),check-$(firstword $(subst _, ,$(chapter))))
SCRIPTS  := $(CHAPTERS:%=tangled/%.py) tangled/mnist.py tangled/old_calls.py \
            tangled/autoencoder_variants.py tangled/same_line.py
# Those that were tangled last.
EXERCISES := $(shell sed -n 's|^.*  \(exercises/.*\)|tangled/\1|p' tangled/SHA256SUMS 2> /dev/null)
# The longest first, so that no core is left waiting for the last one. But the first brings torch in for
# all, and so beside it run the two that do not need it.
LONGEST  := 14_autoencoder 03_gradient_descent 01_data autoencoder_variants 13_hyperparameter_search \
            12_parallelism 11_checkpoint_and_scheduler 10_training_loop 06_optimizer 09_dataset
LOGS     := $(LONGEST:%=logs/%.log) logs/same_line.log logs/old_calls.log \
            $(patsubst %,logs/%.log,$(filter-out $(LONGEST),$(CHAPTERS)))
RUNS     := $(LOGS) $(LOGS:.log=.json) $(LOGS:.log=.objects)
MNIST    := $(addprefix data/MNIST/raw/,train-images-idx3-ubyte train-labels-idx1-ubyte \
            t10k-images-idx3-ubyte t10k-labels-idx1-ubyte)

# The builder. Its parts are named by what must be made again when they change.
TANGLER  := $(addprefix literate/,__main__.py files.py org.py tangle.py)
BINDER   := $(addprefix literate/,books.py epub.py pdf.py) $(wildcard literate/books/*)
FOR_SITE := $(addprefix literate/,pages.py pictures.py search.py site.py) $(wildcard literate/site/*)
WEAVER   := $(TANGLER) $(filter-out $(TANGLER) $(BINDER) $(FOR_SITE) \
            $(addprefix literate/,watch.py exercises.py doctor.py), \
            $(wildcard literate/*.py literate/page/*))

# With PYTHON=/path/to/python that environment is used as it is; without, .venv is made.
ifdef PYTHON
  ENVIRONMENT :=
  FOR_TESTS   :=
else
  PYTHON      := .venv/bin/python
  ENVIRONMENT := .venv/installed
  FOR_TESTS   := .venv/installed-for-tests
endif
# Where the project lies on a forge, as https://github.com/NAME/PROJECT, for the footers' links to the source
# and to where an error is reported; and where the site will be, for its previews. Both may be empty.
REPOSITORY    ?=
SITE_URL      ?=
export REPOSITORY SITE_URL
SYSTEM_PYTHON ?= python3
PORT          ?= 5500
LITERATE      := $(PYTHON) -m literate

# What each chapter draws: a chapter runs again when one of its figures is missing.
01_data_draws                     := train_and_validation_data
03_gradient_descent_draws         := gradient_descent learningrates
05_computation_graph_draws        := net loss loss_in_words net2 nonsensical
06_optimizer_draws                := optimizer_paths
07_loss_draws                     := classifier
08_model_draws                    := multilayer trainingloss
09_dataset_draws                  := minibatch_losses
10_training_loop_draws            := train_val_curves2 train_val_curves our_own_parts cost_ladder
11_checkpoint_and_scheduler_draws := lr_scheduler schedulers
13_hyperparameter_search_draws    := expected_improvement hyperparameter_search
14_autoencoder_draws              := network autoencoder val_loss mnist_ae image_10 image_20 embedding
autoencoder_variants_draws        := denoised confusion walks grid first_layer

# What they keep for the figures to touch, in checkpoints/: likewise.
03_gradient_descent_keeps := descent
14_autoencoder_keeps      := decoder
KEPT := $(foreach chapter,$(CHAPTERS),$($(chapter)_keeps:%=checkpoints/%.json))

# Expands to FORCE where one of the files is missing, to nothing where all are there.
if-missing = $(if $(filter-out $(wildcard $(1)),$(1)),FORCE)

# The file .addresses holds the two as they were; it is new where one of them is another by now.
ADDRESSES := $(if $(REPOSITORY)$(SITE_URL),REPOSITORY=$(REPOSITORY) SITE_URL=$(SITE_URL))
ADDRESSED := $(if $(ADDRESSES),.addresses,$(wildcard .addresses))
EARLIER   := $(if $(wildcard .addresses),$(shell cat .addresses))
.addresses: $(if $(subst x$(ADDRESSES),,x$(EARLIER))$(subst x$(EARLIER),,x$(ADDRESSES)),FORCE)
	@echo '$(ADDRESSES)' > $@

# Scripts run side by side, one for each core and at most four, unless -j says otherwise. Not where
# another make has called this one, nor for watch, which calls make itself.
ifeq ($(MAKELEVEL)$(filter watch,$(MAKECMDGOALS)),0)
  MAKEFLAGS += -j$(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores : 4)))
endif

# They share the cores: a thread that waits must not keep one busy, and NumPy takes one thread. The
# C library keeps the memory that a script gives back, and need not ask for the same pages again. The
# rest is what chapter 14 sets before it imports torch: set here, it can find torch imported.
export OMP_WAIT_POLICY        := passive
export OPENBLAS_NUM_THREADS   := 1
export MALLOC_TRIM_THRESHOLD_ := 1073741824
export MALLOC_MMAP_THRESHOLD_ := 33554432
export MALLOC_TOP_PAD_        := 67108864
export KINETO_LOG_LEVEL       := 99
export MKL_CBWR               := AVX2
FOR_RUNS := OMP_WAIT_POLICY OPENBLAS_NUM_THREADS MALLOC_TRIM_THRESHOLD_ MALLOC_MMAP_THRESHOLD_ MALLOC_TOP_PAD_ \
            KINETO_LOG_LEVEL MKL_CBWR

.DELETE_ON_ERROR:
.PRECIOUS: $(RUNS)  # these are written whole or not at all, so a failure need not remove the old ones
.DEFAULT_GOAL := all
.PHONY: all tangle chapters diffs watch epub pdf site audit notebooks exercises exercise data test verify bench lint lock help \
        doctor clean distclean FORCE $(CHAPTERS) $(CHECKS)

all: $(PAGE)  ## install, tangle, fetch MNIST, run all chapters, draw all figures, weave the page

tangle: .tangled  ## write the scripts that changed in the Org file

data: data/verified  ## fetch MNIST, or fetch again what is damaged

# --- the environment

# By uv where it is there and succeeds, which takes less time; else by pip. Neither compiles: Python does,
# for the files that somebody imports, two in five.
WITH_HASHES = --quiet --require-hashes -r
install = (command -v uv > /dev/null && uv pip install --python .venv/bin/python $(WITH_HASHES) $(1)) || \
	.venv/bin/python -m pip install --disable-pip-version-check --no-compile $(WITH_HASHES) $(1)

.venv/installed: requirements.txt
	@$(SYSTEM_PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make SYSTEM_PYTHON=/path/to/it")'
	$(SYSTEM_PYTHON) -m venv .venv
	$(call install,requirements.txt)
	ln -sf graphviz-pure .venv/bin/dot
	@touch $@

.venv/installed-for-tests: requirements-tests.txt .venv/installed
	$(call install,requirements-tests.txt)
	@touch $@

# --- from the Org file to scripts

.tangled: $(ORG) $(TANGLER) $(call if-missing,$(SCRIPTS) $(EXERCISES)) | $(ENVIRONMENT)
	$(LITERATE) tangle $(ORG)
	@touch $@

diffs: | $(ENVIRONMENT)  ## make the diffs in the Org file again, from the blocks that they compare
	$(LITERATE) diffs $(ORG)

# Only a script that changed gets a new time stamp: the empty recipe makes make look at it again.
$(SCRIPTS): .tangled ;

# --- from scripts to logs, figures and checkpoints

$(foreach chapter,$(CHAPTERS) autoencoder_variants,$(eval logs/$(chapter).log: \
  $(call if-missing,$($(chapter)_draws:%=figures/%.png) $($(chapter)_keeps:%=checkpoints/%.json))))
$(foreach chapter,$(CHAPTERS),$(eval $($(chapter)_keeps:%=checkpoints/%.json): logs/$(chapter).log ;))

# Beside the log, NAME.json says which line printed what, and NAME.objects keeps what the tests look at.
logs/%.log logs/%.json logs/%.objects: tangled/%.py | $(ENVIRONMENT)
	@mkdir -p logs
	$(LITERATE) run $< logs/$*.json logs/$*.objects --maker $$PPID > logs/$*.log.new \
		|| { cat logs/$*.log.new >&2; rm logs/$*.log.new; exit 1; }
	@mv logs/$*.log.new logs/$*.log

logs/14_autoencoder.log logs/autoencoder_variants.log: | data/verified

# Where all run, MNIST comes first: make would begin what needs it after all others, and it takes longest.
# Only in a fresh clone is there time before it is there, and these use it.
MEANWHILE := 03_gradient_descent 01_data 13_hyperparameter_search
ifneq ($(filter all chapters test verify bench $(PAGE),$(or $(MAKECMDGOALS),all)),)
  $(filter-out $(MEANWHILE:%=logs/%.log),$(LOGS)): | data/verified
endif

chapters: $(filter $(CHAPTERS:%=logs/%.log),$(LOGS))  ## run the fourteen chapters, as far as they changed

$(CHAPTERS): %: logs/%.log
	@cat $<

# --- from prose, scripts and logs to the page

$(PAGE): $(ORG) $(SCRIPTS) $(RUNS) $(KEPT) $(WEAVER) $(wildcard CONTRIBUTING.md) $(ADDRESSED) | $(ENVIRONMENT)
	$(LITERATE) page $(ORG) $@
	@touch $@

watch: .tangled  ## make the page at each save of the Org file, and reload it in the browser
	$(LITERATE) watch --port $(PORT) $(ORG) $(PAGE) -- $(MAKE) --no-print-directory all

# --- to books

epub: $(EPUB)  ## make an EPUB of the whole post
pdf: $(PDF)  ## make a PDF of the whole post, A4, about 290 pages

$(EPUB): $(ORG) $(SCRIPTS) $(RUNS) $(WEAVER) $(BINDER) $(ADDRESSED) | $(ENVIRONMENT)
	$(LITERATE) epub $(ORG) $@
	@touch $@

$(PDF): $(ORG) $(SCRIPTS) $(RUNS) $(WEAVER) $(BINDER) $(ADDRESSED) | $(ENVIRONMENT)
	$(LITERATE) pdf $(ORG) $@
	@touch $@

# --- to a site: a page for each chapter, and beside them what one can take along

site: $(SITE)/SHA256SUMS  ## write the site, a page for each chapter, into site/: open site/index.html

$(SITE)/SHA256SUMS: $(PAGE) notebooks/.made $(FOR_SITE) $(wildcard $(EPUB) $(PDF))
	$(LITERATE) site $(ORG) $(SITE)
	@touch $@

audit: site tests/audit/node_modules/.made  ## let Lighthouse look at each page of the site, or at those in WORDS: half a minute for each
	$(PYTHON) tests/audit/audit.py $(SITE) $(WORDS)

tests/audit/node_modules/.made: tests/audit/package-lock.json
	npm ci --prefix tests/audit --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

# --- and to notebooks, all of them by one command. They are in git, and a test finds stale ones.

notebooks: notebooks/.made  ## write each chapter as a Jupyter notebook, with its outputs, into notebooks/

notebooks/.made: $(ORG) $(SCRIPTS) $(RUNS) requirements.in $(WEAVER) \
                 $(call if-missing,$(CHAPTERS:%=notebooks/%.ipynb)) | $(ENVIRONMENT)
	$(LITERATE) notebooks $(ORG) notebooks
	@touch $@

# --- exercises: your copies are in exercises/, and nothing here overwrites or removes one

exercises: .tangled  ## copy the exercises that you do not have yet into exercises/, run them, say which are done
	@$(LITERATE) exercises

exercise: .tangled  ## run one of them, and again at each save: make exercise NAME=04_forgotten_zero
	@$(LITERATE) exercises '$(NAME)'

# --- MNIST: accepted by its check sums only. A file that is gone or newer is checked again.

data/verified: tangled/mnist.py $(MNIST) | $(ENVIRONMENT)
	$(PYTHON) tangled/mnist.py
	@touch $@

$(MNIST): ;

# --- checks: the first after every edit, the second before you publish

# A worker for each core, and at most four. One worker takes a whole file, so that what the tests of a
# file share is made once.
SIDE_BY_SIDE := -n logical --maxprocesses 4

test: lint $(PAGE) | $(FOR_TESTS)  ## check what the run left, and the builder on small posts: a minute
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) --dist loadfile --ignore tests/long

# Long tests wait now and then, for a browser, a server or other processes, so they have a worker more.
# With ONCE=1 they leave out what takes long and only does once more what make or another test has done.
verify: $(PAGE) notebooks site | $(FOR_TESTS)  ## the long checks: every script alone, notebooks, browser, Emacs, runs compared
	$(PYTHON) -m pytest -n $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1))) --maxprocesses 5 --dist loadgroup \
		$(if $(ONCE),-m 'not once_more') tests/long

# One chapter, in less than a minute: what it claims, its exercises, and the numbers in its prose.
$(foreach check,$(CHECKS),$(eval $(check): $(filter logs/$(check:check-%=%)_%,$(LOGS))))

$(CHECKS): check-%: | $(FOR_TESTS)
	$(PYTHON) -m ruff check tangled/$*_*.py
	$(PYTHON) -m pytest --quiet $(SIDE_BY_SIDE) tests/test_$*_*.py tests/test_exercises.py \
		tests/long/test_wrong_answers.py -k $*_
	$(LITERATE) numbers $(ORG)

bench: $(PAGE) | $(FOR_TESTS)  ## measure our way beside others, on a quiet machine: 45 minutes, fewer with QUICK=1
	@env $(FOR_RUNS:%=-u %) PYTHONPATH=tests $(PYTHON) -m bench $(if $(QUICK),--quick) \
		$(if $(README),--readme) $(if $(ROUNDS),--rounds $(ROUNDS)) $(WORDS)

lint: .tangled | $(FOR_TESTS)  ## check format and style of the builder, the scripts and the tests
	$(PYTHON) -m ruff format --check literate tests
	$(PYTHON) -m ruff check literate tangled tests

RESOLVE := uv pip compile --quiet --universal --generate-hashes --python-version 3.11

lock:  ## resolve requirements*.in into requirements*.txt again (needs uv)
	$(RESOLVE) requirements.in -o requirements.txt
	$(RESOLVE) -c requirements.txt requirements-tests.in -o requirements-tests.txt

# --- the rest

help:  ## list these targets
	@echo "make NN_name      run one chapter, if it changed, and show what it printed:"
	@echo "                  $(wordlist 1,4,$(CHAPTERS)) …"
	@echo "make check-NN     check one chapter, which takes less than a minute: check-01, check-02, …"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

doctor:  ## print what a report of an error should say; it installs nothing
	@$(if $(ENVIRONMENT),$(firstword $(wildcard $(PYTHON)) $(SYSTEM_PYTHON)),$(PYTHON)) -m literate doctor

clean:  ## remove the page, the books, the site, logs and checkpoints; keep the figures, the data and the environment
	rm -rf $(PAGE) $(EPUB) $(PDF) $(SITE) logs checkpoints .tangled .addresses .pytest_cache .ruff_cache

distclean: clean  ## remove the data, TensorBoard's runs and the environment, too
	rm -rf data runs .venv notebooks/.made tests/audit/node_modules
