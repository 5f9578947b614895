"""What was started on the host, and where it is in the image."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import zipapp
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from buildr.errors import EntryError
from buildr.plan.entry import Entry, is_main_script, running_entry, script_entry
from tests.unit.processes import python

if TYPE_CHECKING:
    from pathlib import Path

TELL = """\
import json, msgspec
from buildr.plan.entry import running_entry
from buildr.errors import EntryError
try:
    print(json.dumps(msgspec.to_builtins(running_entry())))
except EntryError as error:
    print(json.dumps([error.what, error.hint]))
"""


def write(path: Path, text: str = TELL) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def started(*words: str, cwd: Path, stdin: bytes = b"", **env: str) -> Any:
    """Start Python like this, and return what the program says of its entry."""
    done = python(*words, cwd=cwd, stdin=stdin, env=env)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


# Scripts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("app.py", "app.py"),
        ("./app.py", "app.py"),
        ("sub/app.py", "sub/app.py"),
        ("sub/../app.py", "app.py"),
        ("my app.py", "my app.py"),
        ("größe ☃.py", "größe ☃.py"),
        ("./-x.py", "-x.py"),
        ('it\'s "$HOME".py', 'it\'s "$HOME".py'),
        ("no_suffix", "no_suffix"),
    ],
)
def test_a_script_is_found_by_its_start_path(tmp_path: Path, word: str, name: str) -> None:
    write(tmp_path / name)
    (tmp_path / "sub").mkdir(exist_ok=True)
    found = started(word, cwd=tmp_path)
    assert found["kind"] == "script"
    assert found["script"] == str(tmp_path / name)


def test_a_script_is_found_by_its_absolute_path(tmp_path: Path) -> None:
    script = write(tmp_path / "elsewhere" / "app.py")
    assert started(str(script), cwd=tmp_path)["script"] == str(script)


def test_arguments_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "app.py")
    arguments = ["-x", "--long=1", "a b", "", "--", "$HOME", "ü", "'\""]
    assert started("app.py", *arguments, cwd=tmp_path)["arguments"] == arguments


@pytest.mark.parametrize("word", ["tool", "tool/", "./tool", "."])
def test_a_directory_with_a_main_is_a_script(tmp_path: Path, word: str) -> None:
    write(tmp_path / "tool" / "__main__.py")
    cwd = tmp_path / "tool" if word == "." else tmp_path
    found = started(word, cwd=cwd)
    assert (found["kind"], found["script"]) == ("script", str(tmp_path / "tool"))


def test_an_interactive_interpreter_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "app.py")
    assert started("-i", "app.py", cwd=tmp_path)["interactive"] is True
    assert started("app.py", cwd=tmp_path)["interactive"] is False


def test_ipythons_run_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "app.py", "import builtins\nbuiltins.get_ipython = None\n" + TELL)
    assert started("app.py", cwd=tmp_path)["interactive"] is True


# Modules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mod", "mod.py"),
        ("pkg.mod", "pkg/mod.py"),
        ("pkg.sub.mod", "pkg/sub/mod.py"),
        ("pkg", "pkg/__main__.py"),
        ("pkg.sub", "pkg/sub/__main__.py"),
    ],
)
@pytest.mark.parametrize("namespace", [False, True])
def test_a_module_is_found_by_its_name(
    tmp_path: Path, name: str, file: str, namespace: bool
) -> None:
    script = write(tmp_path / file)
    if not namespace:
        for package in ("pkg", "pkg/sub"):
            write(tmp_path / package / "__init__.py", "")
    found = started("-m", name, "x", cwd=tmp_path)
    assert found["kind"] == "module"
    assert found["module"] == name
    assert found["import_root"] == str(tmp_path)
    assert found["script"] == str(script)
    assert found["arguments"] == ["x"]


def test_a_module_elsewhere_on_the_path_has_its_root_there(tmp_path: Path) -> None:
    write(tmp_path / "src" / "pkg" / "mod.py")
    search = os.pathsep.join(filter(None, ("src", os.environ.get("PYTHONPATH"))))
    found = started("-m", "pkg.mod", cwd=tmp_path, PYTHONPATH=search)
    assert found["import_root"] == str(tmp_path / "src")


# What cannot move -------------------------------------------------------------------------------------


def refused(found: Any) -> str:
    what, hint = found
    assert "python app.py" in hint
    assert "python -m" in hint
    assert "buildr run" in hint
    assert ".remote(" in hint
    assert "\n" not in what
    return str(what)


def test_dash_c_cannot_move(tmp_path: Path) -> None:
    assert "`python -c`" in refused(started("-c", TELL, cwd=tmp_path))


@pytest.mark.parametrize("words", [(), ("-",), ("-", "argument")])
def test_a_script_on_standard_input_cannot_move(tmp_path: Path, words: tuple[str, ...]) -> None:
    found = started(*words, cwd=tmp_path, stdin=TELL.encode())
    assert "read from standard input" in refused(found)


def test_a_prompt_cannot_move(tmp_path: Path) -> None:
    found = started("-i", "-q", cwd=tmp_path, stdin=f"{TELL}\n".encode(), PYTHONSTARTUP="")
    assert "interactive prompt" in refused(found)


def test_a_zipapp_cannot_move(tmp_path: Path) -> None:
    write(tmp_path / "source" / "__main__.py")
    zipapp.create_archive(tmp_path / "source", tmp_path / "app.pyz")
    zipapp.create_archive(tmp_path / "source", tmp_path / "bang.pyz", "/usr/bin/env python3")
    for name in ("app.pyz", "bang.pyz"):
        assert f"{name} is a zip archive" in refused(started(name, cwd=tmp_path))


def test_a_notebook_cannot_move(tmp_path: Path) -> None:
    write(tmp_path / "app.py", "import sys\nsys.modules['ipykernel'] = sys\n" + TELL)
    assert "notebook" in refused(started("app.py", cwd=tmp_path))


def test_pytest_cannot_move(tmp_path: Path) -> None:
    write(tmp_path / "test_it.py", "def test_it():\n    exec(open('tell.py').read())\n")
    write(tmp_path / "tell.py")
    done = python("-m", "pytest", "-qs", "-p", "no:cacheprovider", cwd=tmp_path)
    reported = next(line for line in done.stdout.splitlines() if line.startswith(b"["))
    assert "started by pytest" in refused(json.loads(reported.rstrip(b".")))


def test_a_console_script_cannot_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = write(tmp_path / "bin" / "uvicorn")
    main = ModuleType("__main__")
    main.__file__ = str(command)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", [str(command)])
    monkeypatch.setattr(
        sysconfig, "get_path", lambda name: str(tmp_path / "bin") if name == "scripts" else None
    )
    with pytest.raises(EntryError, match="started by uvicorn"):
        running_entry()


def test_a_removed_script_cannot_move(tmp_path: Path) -> None:
    write(tmp_path / "app.py", "import os\nos.remove(__file__)\n" + TELL)
    assert "app.py cannot be found any more" in refused(started("app.py", cwd=tmp_path))


# Named scripts ----------------------------------------------------------------------------------------


def test_a_named_script_is_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "app.py")
    monkeypatch.chdir(tmp_path)
    assert script_entry("app.py", ("-x",)) == Entry(
        kind="script", script=str(tmp_path / "app.py"), arguments=("-x",)
    )


def test_a_named_directory_needs_a_main(tmp_path: Path) -> None:
    with pytest.raises(EntryError, match="a directory without a __main__"):
        script_entry(str(tmp_path))
    write(tmp_path / "__main__.py")
    assert script_entry(str(tmp_path)).script == str(tmp_path)


def test_a_named_script_must_exist(tmp_path: Path) -> None:
    with pytest.raises(EntryError, match="there is no script"):
        script_entry(str(tmp_path / "app.py"))


@pytest.mark.parametrize(
    ("given", "asked"),
    [("helo.py", "; did you mean 'hello.py'?"), ("other.py", ""), ("no/x.py", "")],
)
def test_a_similar_script_is_suggested(tmp_path: Path, given: str, asked: str) -> None:
    write(tmp_path / "hello.py")
    (tmp_path / "helo.txt").touch()
    with pytest.raises(EntryError) as caught:
        script_entry(str(tmp_path / given))
    assert caught.value.what == f"there is no script {tmp_path / given}{asked}"


def test_a_named_archive_cannot_move(tmp_path: Path) -> None:
    write(tmp_path / "source" / "__main__.py")
    zipapp.create_archive(tmp_path / "source", tmp_path / "app.pyz")
    with pytest.raises(EntryError, match="is a zip archive"):
        script_entry(str(tmp_path / "app.pyz"))


@pytest.mark.parametrize(
    ("entry", "stem"),
    [
        (Entry(kind="script", script="/x/app.py"), "app"),
        (Entry(kind="script", script="/x/my.app.py"), "my.app"),
        (Entry(kind="script", script="/x/tool/__main__.py"), "tool"),
        (Entry(kind="script", script="/x/tool"), "tool"),
        (Entry(kind="module", script="/x/a/b.py", module="a.b"), "a.b"),
    ],
)
def test_an_image_is_named_after_the_program(entry: Entry, stem: str) -> None:
    assert entry.stem == stem


def test_only_the_script_itself_may_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    main.__file__ = "/x/app.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert is_main_script("__main__")
    assert not is_main_script("package.module")
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert not is_main_script("__main__")


def test_an_argument_that_is_not_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.touch()
    with pytest.raises(EntryError, match=r"the argument 'a\\udcff' is not UTF-8"):
        script_entry(str(script), (os.fsdecode(b"a\xff"),))


def test_a_script_that_changes_its_directory_is_found(
    tmp_path: Path,
) -> None:
    (tmp_path / "tool").mkdir()
    text = "import buildr, os\nos.chdir('/')\n" + TELL
    write(tmp_path / "app.py", text)
    write(tmp_path / "tool" / "__main__.py", text)
    assert started("app.py", cwd=tmp_path)["script"] == str(tmp_path / "app.py")
    assert started("tool", cwd=tmp_path)["script"] == str(tmp_path / "tool")
    assert started("app.py", cwd=tmp_path)["directory"] == str(tmp_path)
