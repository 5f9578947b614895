"""The decorator: where a call runs, how the process ends, and messages."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest

import buildr
from buildr import Containerize, Containerized
from buildr.api import decoration
from buildr.errors import OptionError
from buildr.guest.detection import Detection
from tests.unit.processes import app, python

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "true")


def detected(monkeypatch: pytest.MonkeyPatch, **found: Any) -> None:
    monkeypatch.setattr(decoration, "detect", lambda: Detection(**found))


# Inside -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("inside")
def test_inside_the_function_runs_silently_with_the_marker(
    capfd: pytest.CaptureFixture[str],
) -> None:
    @Containerize
    def main(a: int, *, b: int) -> int:
        return a + b

    assert main(1, b=2) == 3
    assert capfd.readouterr() == ("", "")


def test_inside_by_evidence_the_function_runs_with_one_message(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    detected(monkeypatch, inside=True, engine="docker", reason="cgroup /docker/1234")

    @Containerize
    def main() -> int:
        return 3

    assert main() == 3
    assert capfd.readouterr() == (
        "",
        (
            "buildr: this is already a container (cgroup /docker/1234), so the script runs here;"
            " BUILDR_IN_CONTAINER=0 says otherwise\n"
        ),
    )


def test_a_marker_with_another_value_is_reported(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "true")
    monkeypatch.setenv("METAPARTICLE_IN_CONTAINER", "perhaps")

    @Containerize
    def main() -> None:
        pass

    main()
    assert capfd.readouterr().err.startswith(
        "buildr: warning: METAPARTICLE_IN_CONTAINER is 'perhaps'"
    )


@pytest.mark.usefixtures("inside")
def test_inside_a_coroutine_function_gives_its_coroutine() -> None:
    @Containerize
    async def main(a: int) -> int:
        return a + 1

    assert asyncio.run(main(1)) == 2


@pytest.mark.usefixtures("inside")
def test_methods_of_all_kinds_can_be_decorated() -> None:
    class App:
        name = "app"

        @Containerize
        def run(self, more: str) -> str:
            return self.name + more

        @staticmethod
        @Containerize
        def static(more: str) -> str:
            return more

        @classmethod
        @Containerize
        def of_class(cls, more: str) -> str:
            return cls.name + more

    assert App().run("!") == "app!"
    assert App.run(App(), "!") == "app!"
    assert App.static("!") == "!"
    assert App.of_class("!") == "app!"  # type: ignore[arg-type, call-arg] # mypy binds no objects as class methods
    assert App().run.local("?") == "app?"
    assert App().run.__name__ == "run"  # type: ignore[attr-defined] # set by functools


def test_local_runs_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "false")

    @Containerize()
    def main(a: int) -> int:
        return a

    assert main.local(4) == 4


# What it leaves as it is ------------------------------------------------------------------------------


def test_the_function_keeps_its_name_documentation_and_signature() -> None:
    def main(a: int, b: str = "x") -> None:
        """Do it."""

    main.extra = "kept"  # type: ignore[attr-defined] # functions take attributes
    decorated = Containerize(main)

    assert isinstance(decorated, Containerized)
    assert decorated.__name__ == "main"  # type: ignore[attr-defined] # set by functools
    assert decorated.__doc__ == "Do it."
    assert decorated.__module__ == __name__
    assert decorated.__wrapped__ is main  # type: ignore[attr-defined] # set by functools
    assert decorated.extra == "kept"  # type: ignore[attr-defined] # copied by functools
    assert inspect.signature(decorated) == inspect.signature(main)


@pytest.mark.parametrize("options", [{}, {"package": {"name": "x"}}, {"runtime": {"cpus": 1}}])
def test_all_forms_of_the_decorator_are_equivalent(options: dict[str, Any]) -> None:
    def main() -> None:
        pass

    assert Containerize(**options)(main).local is main
    assert isinstance(Containerize(main), Containerized)


def test_a_prompt_completes_public_names_only() -> None:
    @Containerize
    def main() -> None:
        pass

    main.note = "of the script"  # type: ignore[attr-defined] # a function takes attributes
    names = [name for name in dir(main) if not name.startswith("__")]
    assert names == [
        "cancel",
        "executor",
        "local",
        "map",
        "note",
        "remote",
        "spawn",
        "starmap",
        "within",
    ]


def test_typed_options_are_taken() -> None:
    @Containerize(
        package=buildr.PackageOptions(name="hello"), runtime=buildr.RuntimeOptions(ports=[8080])
    )
    def main() -> None:
        pass

    assert main._decoration.package["name"] == "hello"
    assert main._decoration.runtime["ports"][0].container == 8080


def test_decorating_does_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app(call="assert main"))
    done = python("app.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"this line runs only where the call returns\n"


# A script that forgets the call -----------------------------------------------------------------------

FORGETS = "from buildr import Containerize\n\n@Containerize\ndef main():\n    pass\n"


def test_a_script_that_never_calls_its_function_is_shown_the_missing_lines(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(FORGETS)
    done = python("app.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == (
        "buildr: app.py has not called main(), so nothing ran in a container."
        ' Its last lines should be\nif __name__ == "__main__":\n    main()\n'
    )


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("import sys\nif len(sys.argv) > 1:\n    main()\n", id="another time"),
        pytest.param("list(globals()['main'].__name__)\n", id="by its name"),
        pytest.param("raise ValueError('x')\n", id="an exception"),
        pytest.param("def register(f):\n    pass\n@register\n@Containerize\ndef main(): pass\n"),
        pytest.param("class App:\n    @Containerize\n    def run(self): pass\nApp.run, main\n"),
        pytest.param("import os; os.remove(__file__)\n", id="no script any more"),
        pytest.param("open(__file__, 'w').write('(')\n", id="another script"),
    ],
)
def test_a_script_that_may_intend_it_is_not_reported(tmp_path: Path, more: str) -> None:
    (tmp_path / "app.py").write_text(FORGETS + more)
    done = python("app.py", cwd=tmp_path)
    assert b"has not called" not in done.stderr


def test_forgotten_calls_after_a_call_are_reported_once(tmp_path: Path) -> None:
    # A call that fails before it needs an engine.
    before = (
        FORGETS.replace("main", "first")
        + "try:\n    first.remote(object())\nexcept Exception: pass\n"
    )
    script = f"{before}{FORGETS}"
    (tmp_path / "app.py").write_text(script)
    done = python("app.py", cwd=tmp_path)
    assert done.stderr.count(b"has not called main()") == 1


def test_a_script_run_by_another_program_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FORGETS)
    (tmp_path / "tool.py").write_text(
        "import runpy\nrunpy.run_path('app.py', run_name='__main__')\n"
    )
    done = python("tool.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_script_inside_a_container_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(FORGETS)
    done = python("app.py", cwd=tmp_path, env={"BUILDR_IN_CONTAINER": "true"})
    assert (done.returncode, done.stderr) == (0, b"")


# Wrong options ----------------------------------------------------------------------------------------


def test_an_invalid_option_in_a_script_is_reported_with_status_125(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        app(options='package={"py_verison": "3.12"}, runtime={"ports": [99999]}')
    )
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == 125
    assert done.stdout == b""
    stderr = done.stderr.decode()
    assert stderr.startswith(
        "buildr: error: package.py_verison is not an option; did you mean 'py_version'?"
    )
    assert "Traceback" not in stderr


def test_an_invalid_option_in_an_imported_module_is_an_exception(tmp_path: Path) -> None:
    (tmp_path / "lib.py").write_text(app(options='runtime={"cpus": "many"}'))
    (tmp_path / "app.py").write_text(
        "from buildr.errors import OptionError\n"
        "try:\n"
        "    import lib\n"
        "except OptionError as error:\n"
        "    print(error.what)\n"
    )
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(b"runtime.cpus cannot be 'many'")


def test_an_invalid_option_in_a_test_is_an_exception() -> None:
    with pytest.raises(OptionError, match=r"package\.tag"):
        Containerize(package={"tag": "a b"})


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (
            {"ports": [80]},
            (
                "@Containerize takes no 'ports'\n"
                "'ports' belongs in its group: runtime={\"ports\": …}\n"
            ),
        ),
        (
            {"pyVersion": "3.12", "cpus": 1},
            (
                "@Containerize takes no 'pyVersion', 'cpus'\n"
                "'pyVersion' belongs in its group: package={\"py_version\": …}\n"
                "'cpus' belongs in its group: runtime={\"cpus\": …}\n"
            ),
        ),
        (
            {"pakage": {}},
            "@Containerize takes no 'pakage'\n'pakage' is not an option; did you mean 'package'?\n",
        ),
        ({"xyzzy": 1}, "@Containerize takes no 'xyzzy'\n'xyzzy' is not an option\n"),
    ],
)
def test_an_option_outside_its_group_is_reported_with_its_group(
    arguments: dict[str, Any], reported: str
) -> None:
    with pytest.raises(OptionError) as wrong:
        Containerize(**arguments)
    accepted = "accepted: package={…} for the image, runtime={…} for the run"
    assert str(wrong.value) == reported + accepted


def test_positional_options_are_reported() -> None:
    with pytest.raises(OptionError, match=r"is for a function, not for \{'name': 'x'\}"):
        Containerize({"name": "x"})  # type: ignore[call-overload] # the error under test


def test_an_option_outside_its_group_in_a_script_is_reported_without_a_traceback(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(app(options="ports=[80]"))
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == 125
    assert done.stderr.startswith(b"buildr: error: @Containerize takes no 'ports'\n")
    assert b"Traceback" not in done.stderr


# How a process ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_the_process_ends_with_the_guests_status_and_no_line_runs_twice(
    tmp_path: Path, status: int
) -> None:
    (tmp_path / "app.py").write_text(app(f"return {status}"))
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == status
    assert done.stdout == b""


def test_the_end_is_a_system_exit_that_runs_exit_handlers(tmp_path: Path) -> None:
    setup = "import atexit\natexit.register(print, 'exit function')"
    call = "try:\n    main()\nexcept SystemExit as end:\n    print('code', end.code)\n    raise\nfinally:\n    print('finally')"
    (tmp_path / "app.py").write_text(app("return 3", setup=setup, call=call))
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == b"code 3\nfinally\nexit function\n"


@pytest.mark.parametrize(
    ("fault", "status", "reported"),
    [
        ('"build", BuildError("step 3 failed")', 125, "error: step 3 failed"),
        (
            '"create", ContainerError("no room", hint="Make some.")',
            125,
            "error: no room\nMake some.",
        ),
        (
            '"start", NotExecutableError("python is a directory")',
            126,
            "error: python is a directory",
        ),
        ('"start", CommandNotFoundError("no python")', 127, "error: no python"),
        ('"pull", ImageNotFoundError("no such tag")', 125, "error: no such tag"),
    ],
)
def test_an_error_is_reported_and_determines_the_status(
    tmp_path: Path, fault: str, status: int, reported: str
) -> None:
    (tmp_path / "app.py").write_text(app(faults=f"backend.fail({fault})"))
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == status
    assert f"buildr: {reported}\n" in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_off_the_main_thread_the_status_becomes_that_of_the_process(tmp_path: Path) -> None:
    setup = "import atexit\natexit.register(print, 'exit function')"
    call = "thread = threading.Thread(target=main)\nthread.start()\nthread.join()\nprint('after')"
    (tmp_path / "app.py").write_text(
        app('container.stdout.write(b"guest\\n")\nreturn 3', setup=setup, call=call)
    )
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout == (
        b"guest\nafter\nthis line runs only where the call returns\nexit function\n"
    )
    assert b"Traceback" not in done.stderr


def test_in_an_interactive_interpreter_success_returns_none(tmp_path: Path) -> None:
    call = "print('returned', main())"
    (tmp_path / "app.py").write_text(app('container.stdout.write(b"guest\\n")', call=call))
    done = python("-i", "app.py", cwd=tmp_path, stdin=b"")
    assert done.stdout.startswith(b"guest\nreturned None\n")


def test_in_an_interactive_interpreter_failure_is_a_system_exit(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app("return 3", call="print('returned', main())"))
    done = python("-i", "app.py", cwd=tmp_path, stdin=b"")
    assert b"returned" not in done.stdout
    assert b"SystemExit: 3" in done.stderr


@pytest.mark.parametrize("call", ["main()", "asyncio.run(main())"])
def test_a_coroutine_function_acts_when_it_is_called(tmp_path: Path, call: str) -> None:
    code = app("return 5", call=call).replace("def main(", "async def main(")
    (tmp_path / "app.py").write_text("import asyncio\n" + code)
    done = python("app.py", cwd=tmp_path)
    assert done.returncode == 5
    assert b"never awaited" not in done.stderr


def test_a_function_of_another_module_moves_the_running_script(tmp_path: Path) -> None:
    guest = 'container.stdout.write(" ".join(container.argv).encode())'
    (tmp_path / "lib.py").write_text(app(guest))
    (tmp_path / "run.py").write_text(
        "import lib\nwith lib.using(lib.backend):\n    lib.main()\nprint('not here')\n"
    )
    done = python("run.py", "-x", cwd=tmp_path)
    assert done.stdout == b"python -u /app/run.py -x"


# What cannot move -------------------------------------------------------------------------------------


def test_an_unmovable_program_is_reported_in_a_script(tmp_path: Path) -> None:
    done = python("-", cwd=tmp_path, stdin=app().encode())
    assert done.returncode == 125
    assert done.stderr.startswith(b"buildr: error: a script read from standard input")
    assert b"Traceback" not in done.stderr


def test_an_unmovable_program_is_an_exception_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app())
    code = "import app\nwith app.using(app.backend):\n    app.main()"
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 1
    assert b"buildr.errors.EntryError: `python -c`" in done.stderr


def test_under_pytest_it_is_an_exception_too(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app())
    (tmp_path / "test_app.py").write_text(
        "import app, buildr.errors, pytest\n"
        "def test_it():\n"
        "    with app.using(app.backend), pytest.raises(buildr.errors.EntryError, match='by pytest'):\n"
        "        app.main()\n"
    )
    done = python("-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path)
    assert done.returncode == 0, done.stdout.decode()
