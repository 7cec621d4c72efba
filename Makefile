# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
READY := $(VENV)/.ready

.PHONY: setup demo test lint samples model model-segnet model-tumour model-tumour-all model-tumour-segnet clean

# Installs into .venv, with the versions that constraints.txt pins; anew when either file changes.
setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(READY)

# Segments the scans of sample_data/, prints the table, writes demo-results/, opens napari where there is a display.
demo: setup
	$(BIN)/fetalseg demo --out demo-results

# Every test, in a virtual window where there is no display.
test: setup
	PYTHON=$(BIN)/python sh scripts/test.sh $(ARGS)

lint: setup
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/mypy

# Makes the phantoms of sample_data/ anew.
samples: setup
	$(BIN)/python -m fetalseg.phantoms sample_data

clean:
	rm -rf $(VENV) demo-results build dist

# The bundled U-Net anew, figures and all: make model HC18=folder NEGATIVES=folder (hours on two cores).
HC18 ?= hc18
NEGATIVES ?= negatives
CONFIG := configs/head_unet.toml
EPOCHS ?= 24
EPOCHS_ALL ?= 20
model: setup
	$(BIN)/fetalseg train --data $(HC18) --negatives $(NEGATIVES) --config $(CONFIG) --epochs $(EPOCHS) --out runs/split
	$(BIN)/fetalseg evaluate $(HC18) --model runs/split --calibrate
	$(BIN)/fetalseg evaluate $(HC18) --model runs/split --part report --write-card
	$(BIN)/fetalseg train --data $(HC18) --negatives $(NEGATIVES) --config $(CONFIG) --kept-out 0 --epochs $(EPOCHS_ALL) \
		--card-from runs/split --out runs/final

# The head's SegNet anew: trained, then taught by a U-Net, on the split; and both on all pictures.
model-segnet: setup
	$(BIN)/fetalseg train --data $(HC18) --negatives $(NEGATIVES) --config configs/head_unet.toml --epochs 14 --out runs/segnet_teacher
	$(BIN)/fetalseg train --data $(HC18) --negatives $(NEGATIVES) --config configs/head_segnet.toml --epochs 50 --out runs/segnet_alone
	$(BIN)/fetalseg train --data $(HC18) --negatives $(NEGATIVES) --config configs/head_segnet_taught.toml --from runs/segnet_alone \
		--teacher runs/segnet_teacher --out runs/segnet_split
	$(BIN)/fetalseg evaluate $(HC18) --model runs/segnet_split --calibrate
	$(BIN)/fetalseg evaluate $(HC18) --model runs/segnet_split --part calibrate --write-card
	$(BIN)/fetalseg evaluate $(HC18) --model runs/segnet_split --part report --write-card
	$(BIN)/fetalseg train --data $(HC18) --negatives $(NEGATIVES) --config configs/head_segnet.toml --kept-out 0 --epochs 84 \
		--out runs/segnet_all_alone
	$(BIN)/fetalseg train --data $(HC18) --negatives $(NEGATIVES) --config configs/head_segnet_taught.toml --from runs/segnet_all_alone \
		--teacher unet --kept-out 0 --epochs 10 --card-from runs/segnet_split --out runs/segnet_final

# The tumour's U-Net anew: make model-tumour LGG=folder NO_TUMOUR=folder
LGG ?= lgg
NO_TUMOUR ?= no_tumour
model-tumour: setup
	$(BIN)/fetalseg train --data $(LGG) --negatives $(NO_TUMOUR) --config configs/tumour_unet.toml --name unet \
		--out runs/tumour_split
	$(BIN)/fetalseg evaluate $(LGG) --task tumour --model runs/tumour_split --part calibrate --calibrate
	$(BIN)/fetalseg evaluate $(LGG) --task tumour --model runs/tumour_split --part calibrate --write-card
	$(BIN)/fetalseg evaluate $(LGG) --task tumour --model runs/tumour_split --part report --write-card

# Then the bundled U-Net: on from those weights, on all patients.
model-tumour-all: model-tumour
	$(BIN)/fetalseg train --data $(LGG) --negatives $(NO_TUMOUR) --config configs/tumour_unet_all.toml --from runs/tumour_split \
		--name unet --kept-out 0 --card-from runs/tumour_split --out runs/tumour_final

# The SegNet, from a head's (START=folder): trained, trained on, and the mean of both.
model-tumour-segnet: setup
	$(BIN)/fetalseg train --data $(LGG) --negatives $(NO_TUMOUR) --config configs/tumour_segnet.toml --from $(START) \
		--name segnet --out runs/segnet_first
	$(BIN)/fetalseg train --data $(LGG) --negatives $(NO_TUMOUR) --config configs/tumour_segnet_on.toml --from runs/segnet_first \
		--name segnet --out runs/segnet_second
	$(BIN)/python scripts/average_weights.py runs/segnet_first runs/segnet_second runs/segnet_mean
	$(BIN)/fetalseg evaluate $(LGG) --task tumour --model runs/segnet_mean --part calibrate --calibrate
	$(BIN)/fetalseg evaluate $(LGG) --task tumour --model runs/segnet_mean --part calibrate --write-card
	$(BIN)/fetalseg evaluate $(LGG) --task tumour --model runs/segnet_mean --part report --write-card
