# Short cuts to the scripts, which do the work.

.PHONY: demo test lint types lock engines-up engines-down

demo test lock:
	scripts/$@

lint types:
	scripts/check $@

engines-up:
	scripts/engines up

engines-down:
	scripts/engines down
