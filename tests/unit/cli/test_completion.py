"""`buildr completion`, in the shells themselves."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from buildr.cli import app

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 60

CASES = [
    ("buildr ini", {"init"}),
    ("buildr co", {"containerfile", "config", "completion"}),
    ("buildr run --backend ", {"podman", "docker", "auto"}),
    ("buildr run --hard", {"--hardened"}),
    ("buildr completion z", {"zsh"}),
    # Behind the script the options are the script's own.
    ("buildr run app.py --hard", set()),
]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "buildr"
    command.write_text(
        "#!/bin/sh\n"
        '[ "$_BUILDR_COMPLETE" ] || [ "$1" = completion ] || { echo "ran <$*>"; exit; }\n'
        f'exec {sys.executable} -m buildr "$@"\n'
    )
    command.chmod(0o755)
    (tmp_path / "app.py").write_text("")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", "TERM": "dumb"}


def needed(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_bash(tmp_path: Path, environ: dict[str, str], line: str, offered: set[str]) -> None:
    program = (
        'eval "$(buildr completion bash)"; COMP_WORDS=($1); [[ $1 == *" " ]] && COMP_WORDS+=("");'
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _buildr_completion buildr 2> /dev/null;"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    words = [needed("bash"), "--norc", "-c", program, "bash", line]
    found = subprocess.check_output(words, env=environ, cwd=tmp_path, text=True, timeout=SECONDS)
    assert set(found.split()) == offered


@pytest.mark.parametrize(("line", "offered"), CASES)
def test_fish(tmp_path: Path, environ: dict[str, str], line: str, offered: set[str]) -> None:
    program = "buildr completion fish | source; complete -C $argv[1]"
    words = [needed("fish"), "--no-config", "-c", program, line]
    found = subprocess.check_output(words, env=environ, cwd=tmp_path, text=True, timeout=SECONDS)
    assert {row.partition("\t")[0] for row in found.splitlines()} == offered


def test_zsh(tmp_path: Path, environ: dict[str, str]) -> None:
    shell = needed("zsh")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [shell, "-f", "-i"],
        env=environ,
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = bytearray()
    try:
        os.write(ours, b"autoload -U compinit && compinit -D\n")
        os.write(ours, b'eval "$(buildr completion zsh)"; PS1="REA""DY "\n')
        for begun, completed in ((b"ini", b"init"), (b"run app", b"run app.py")):
            wait_for(ours, b"READY", seen)
            os.write(ours, b"buildr " + begun + b"\t\n")
            wait_for(ours, b"ran <" + completed + b">", seen)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def wait_for(terminal: int, text: bytes, seen: bytearray) -> None:
    """Read until a text has come that was not waited for yet; what comes behind it stays in ``seen``."""
    limit = time.monotonic() + SECONDS
    while text not in seen:
        ready, _, _ = select.select((terminal,), (), (), max(0.0, limit - time.monotonic()))
        assert ready, f"{text!r} did not come: {bytes(seen)!r}"
        seen += os.read(terminal, 65536)
    del seen[: seen.index(text) + len(text)]


def test_another_shell_is_refused() -> None:
    result = CliRunner().invoke(app, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.output
