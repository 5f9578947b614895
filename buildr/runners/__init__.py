"""Where an image runs: on a local engine, as a unit of systemd, or where another distribution's runner takes it.

`buildr.runners.plan` says what is to run, `buildr.runners.protocol` what a runner does with it, and `buildr.runners.registry` which
runner that is. It may import everything below it; `api`, `call` and `cli` import it.
"""
