# Short cuts to the scripts, which do the work.

.PHONY: demo test faults lint types lock engines-up engines-down

demo test faults lock:
	scripts/$@

lint types:
	scripts/check $@

engines-up:
	scripts/engines up

engines-down:
	scripts/engines down
