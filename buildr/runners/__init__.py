"""The runners of images: a local engine, a systemd unit, or a third-party runner.

`buildr.runners.plan` is what to run, `buildr.runners.protocol` what a runner does, and `buildr.runners.registry` finds
runners. It may import everything below it; `api`, `call` and `cli` import it.
"""
