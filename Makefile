# Shortcuts to the scripts.

.PHONY: demo test bench faults fuzz lint types lock engines-up engines-down

demo test bench faults fuzz lock:
	scripts/$@

lint types:
	scripts/check $@

engines-up:
	scripts/engines up

engines-down:
	scripts/engines down
