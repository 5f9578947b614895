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

import click
import pytest
from click.testing import CliRunner

from buildr import labels
from buildr.cli import app
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.testing import FakeBackend, using

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 60

CASES = [
    ("buildr ini", {"init"}),
    ("buildr co", {"containerfile", "config", "completion"}),
    ("buildr run --backend ", {"podman", "docker", "auto"}),
    ("buildr run --hard", {"--hardened"}),
    ("buildr completion z", {"zsh"}),
    ("buildr run --variant sl", {"slim", "slim-bookworm", "slim-trixie"}),
    ("buildr run --interrupt g", {"guest"}),
    ("buildr run ap", {"app.py"}),
    ("buildr help qu", {"quadlet"}),
    # After the script, options belong to it.
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
    """Read up to the next occurrence of a text; the rest stays in ``seen``."""
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


def test_a_description_in_fish_is_whole(tmp_path: Path, environ: dict[str, str]) -> None:
    program = "buildr completion fish | source; complete -C 'buildr run'"
    words = [needed("fish"), "--no-config", "-c", program]
    found = subprocess.check_output(words, env=environ, cwd=tmp_path, text=True, timeout=SECONDS)
    assert found == "run\tRun a Python script in a container, decorated or not.\n"


def test_zsh_without_its_completion_says_what_to_add(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    words = [needed("zsh"), "-f", "-c", 'eval "$(buildr completion zsh)"']
    done = subprocess.run(
        words, env=environ, cwd=tmp_path, capture_output=True, timeout=SECONDS, check=False
    )
    assert done.stderr.endswith(b"autoload -U compinit && compinit\n")
    assert done.stdout == b""


def completed(command: str, parameter: str, begun: str) -> list[tuple[str, str]]:
    [found] = [param for param in app.commands[command].params if param.name == parameter]
    context = click.Context(app.commands[command])
    return [(item.type, item.value) for item in found.shell_complete(context, begun)]


def test_runs_are_completed_by_their_ids_and_names() -> None:
    backend = FakeBackend(lambda container: container.signals.wait())
    image = backend.add_image("base").id
    given = {**ownership.labels(1), labels.NAME: "hello"}
    container = backend.create(ownership.signed(ContainerSpec(image=image, labels=given)))
    backend.start(container)
    identity = given[labels.RUN][:12]
    with using(backend):
        for command, parameter in (("logs", "word"), ("exec", "word"), ("stop", "words")):
            assert completed(command, parameter, "") == [("plain", identity), ("plain", "hello")]
            assert completed(command, parameter, "hel") == [("plain", "hello")]
    backend.kill(container, 9)
    backend.wait(container)


def test_without_an_engine_no_run_is_completed(capfd: pytest.CaptureFixture[str]) -> None:
    with using({}):
        assert completed("logs", "word", "") == []
    assert capfd.readouterr() == ("", "")


def test_scripts_are_completed_and_paths_where_a_folder_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("app.py", "apply.py", "data.csv", "sub/tool.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert completed("run", "words", "ap") == [("plain", "app.py"), ("plain", "apply.py")]
    assert completed("build", "script", "sub/") == [("plain", "sub/tool.py")]
    for begun in ("", "s", "d", "/nowhere/"):
        assert completed("run", "words", begun) == [("file", begun)]


def test_the_source_of_a_mount_is_a_path() -> None:
    assert completed("run", "runtime__mounts", "./da") == [("file", "./da")]
    assert completed("run", "runtime__mounts", "./data:/d") == []
