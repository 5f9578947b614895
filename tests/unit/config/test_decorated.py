"""Reading the decorator from a script's source, and notes about unreadable options."""

from __future__ import annotations

import os
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from buildr.config.decorated import Decorated, read_decorator, read_decorator_of
from buildr.errors import EntryError, OptionError
from buildr.options import Mount
from buildr.plan.entry import Entry

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "from buildr import Containerize, Mount, PackageOptions, RuntimeOptions\n"
TWO = """
@Containerize(package={"tag": "a"})
def first(): ...

class App:
    @Containerize(package={"tag": "b"})
    def second(self): ...

def helper():
    print("before")
    first()

def deep():
    helper()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(project: Path, text: str, function: str | None = None, head: str = HEAD) -> Decorated:
    (project / "app.py").write_text(head + textwrap.dedent(text))
    return read_decorator(str(project / "app.py"), function)


def package(project: Path, text: str, head: str = HEAD) -> dict[str, Any]:
    """Return the options of the image, all of which must be readable."""
    found = read(project, text, head=head)
    assert found.notes == ()
    return dict(found.layer.package)


# Values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "value", "expected"),
    [
        ("", "'v1'", "v1"),
        ("", "f'v{1}.{2:02}-{\"x\"!s}'", "v1.02-x"),
        ("", "'v' '1' + '.2'", "v1.2"),
        ("MAJOR = 3\nTAG = f'v{MAJOR}'", "TAG", "v3"),
        ("MAJOR: int = 3\nA = B = str", "f'v{MAJOR}'", "v3"),
        ("TAGS = {'now': 'v4'}", "TAGS['now']", "v4"),
        ("TAGS = ['v1', 'v5']", "TAGS[-1]", "v5"),
        ("TAG = 'old'\nTAG = 'v6'", "TAG", "v6"),
        ("if unknown:\n    TAG = 'old'\nTAG = 'v7'", "TAG", "v7"),
        ("NAMES = {'deep': {'er': 'v8'}}", "NAMES['deep']['er']", "v8"),
        ("def f():\n    TAG = 'other'\nTAG = 'v9'", "TAG", "v9"),
        ("class Config:\n    TAG = 'v11'", "Config.TAG", "v11"),
        ("class Config:\n    A = 'v'\n    B = f'{A}12'", "Config.B", "v12"),
        ("from pathlib import Path as P", "P('a', 'v13').name", "v13"),
        ("import pathlib", "str(pathlib.PurePath('x/v14').stem)", "v14"),
        ("def f(TAG):\n    TAG.update(1)\nTAG = 'v10'\nf(1)", "TAG", "v10"),
    ],
)
def test_values_are_read_through_names(
    project: Path, before: str, value: str, expected: str
) -> None:
    text = f"{before}\n@Containerize(package={{'tag': {value}}})\ndef main(): ...\n"
    assert package(project, text) == {"tag": expected}


@pytest.mark.parametrize(
    ("before", "group"),
    [
        ("", "{'tag': 'v', 'name': 'n'}"),
        ("", "dict(tag='v', name='n')"),
        ("", "PackageOptions(tag='v', name='n')"),
        ("BASE = {'tag': 'old', 'name': 'n'}", "{**BASE, 'tag': 'v'}"),
        ("BASE = {'tag': 'old', 'name': 'n'}", "BASE | {'tag': 'v'}"),
        ("BASE = {'tag': 'old', 'name': 'n'}", "dict(BASE, tag='v')"),
        ("BASE = dict(tag='old', name='n')", "dict(**BASE.copy(), **{'tag': 'v'})"),
        ("BASE = {'tag': 'v', 'name': 'n'}\nSAME = BASE", "SAME"),
        ("BASE = {'name': 'n'}", "PackageOptions(tag='v', **BASE)"),
        ("OPTIONS = {'package': {'tag': 'v', 'name': 'n'}}", "OPTIONS['package']"),
        ("OPTIONS = PackageOptions(tag='v', name='n')", "OPTIONS"),
        ("BASE = {'tag': 'v', 'name': 'n'}\ndef main2():\n    BASE['tag'] = 'x'", "BASE"),
        ("BASE = {'tag': 'v', 'name': 'n'}\nprint(BASE, BASE.get('x'), len(BASE))", "BASE"),
    ],
)
def test_groups_are_read_in_every_form(project: Path, before: str, group: str) -> None:
    text = f"{before}\n@Containerize(package={group})\ndef main(): ...\n"
    assert package(project, text) == {"tag": "v", "name": "n"}


def test_records_lists_and_arithmetic_are_read(project: Path) -> None:
    found = read(
        project,
        """
        PORTS = [8080]
        DATA = Mount(source="./data", target="/data")
        @Containerize(runtime={"ports": [*PORTS, 9000 + 1], "mounts": (DATA,), "memory": 64 * 1024**2,
                               "ulimits": {"core": -1}})
        def main(): ...
        """,
    )
    assert found.notes == ()
    runtime = found.layer.runtime
    assert [port.container for port in runtime["ports"]] == [8080, 9001]
    assert runtime["mounts"] == (Mount(source="./data", target="/data"),)
    assert runtime["memory"] == 64 << 20


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("from pathlib import Path", "Path(__file__).parent / 'docker' / 'my'"),
        ("import pathlib as p", "p.Path(__file__).resolve().parent.joinpath('docker', 'my')"),
        ("import os", "os.path.join(os.path.dirname(os.path.abspath(__file__)), 'docker', 'my')"),
        ("from os.path import dirname, join", "join(dirname(__file__), *('docker', 'my'))"),
        ("from pathlib import Path\nTOP = Path(__file__).parent", "str(TOP / 'docker/my')"),
    ],
)
def test_paths_relative_to_the_script_are_read(project: Path, imports: str, value: str) -> None:
    found = package(
        project, f"{imports}\n@Containerize(package={{'context': {value}}})\ndef main(): ...\n"
    )
    assert found == {"context": str(project / "docker" / "my")}


def test_defaults_of_typed_options_do_not_count_as_given(project: Path) -> None:
    text = "@Containerize(package=PackageOptions(tag='latest', name='n'))\ndef main(): ...\n"
    assert package(project, text) == {"name": "n"}


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("@b.Containerize(package={'tag': 'v'})\ndef main(): ...\n", "import buildr as b\n"),
        ("@buildr.Containerize(package={'tag': 'v'})\ndef main(): ...\n", "import buildr\n"),
        ("@C(package={'tag': 'v'})\ndef main(): ...\n", "from buildr import Containerize as C\n"),
        ("@Containerize(package={'tag': 'v'})\ndef main(): ...\n", "from buildr import *\n"),
        ("@Containerize(package={'tag': 'v'})\nasync def main(): ...\n", HEAD),
        ("class A:\n    T = 'v'\n    @Containerize(package={'tag': T})\n    def main(self): ...\n", HEAD),
        ("if True:\n    T = 'v'\n    @Containerize(package={'tag': T})\n    def main(): ...\n", HEAD),
        ("@other\n@Containerize(package={'tag': 'v'})\n@other()\ndef main(): ...\n", HEAD),
        ("def f():\n    @Containerize(package={'tag': T})\n    def main(): ...\nT = 'v'\n", HEAD),
        ("D = Containerize(package={'tag': 'v'})\n@D\ndef main(): ...\n", HEAD),
        ("def f(): ...\nmain = Containerize(package={'tag': 'v'})(f)\n", HEAD),
        ("C = Containerize\n@C(package={'tag': 'v'})\ndef main(): ...\n", HEAD),
        ("O = {'package': {'tag': 'v'}}\n@Containerize(**O)\ndef main(): ...\n", HEAD),
    ],
)  # fmt: skip
def test_the_decorator_is_found_anywhere_in_the_script(project: Path, text: str, head: str) -> None:
    assert package(project, text, head) == {"tag": "v"}


@pytest.mark.parametrize(
    ("before", "group", "note"),
    [
        ("import os", "{'name': 'n', 'tag': os.environ['T']}", "package.tag"),
        ("", "{'name': 'n', 'tag': unknown}", "package.tag"),
        ("from settings import TAG", "{'name': 'n', 'tag': TAG}", "package.tag"),
        ("if x:\n    T = 'a'\nelse:\n    T = 'b'", "{'name': 'n', 'tag': T}", "package.tag"),
        ("T = 'a'\nT += 'b'", "{'name': 'n', 'tag': T}", "package.tag"),
        ("T = 'a'\nfor T in x: ...", "{'name': 'n', 'tag': T}", "package.tag"),
        ("T = 'a'\ndef f():\n    global T\n    T = 'b'\nf()", "{'name': 'n', 'tag': T}", "package.tag"),
        ("T = ['a']\nT.append('b')", "{'name': 'n', 'tag': T[0]}", "package.tag"),
        ("", "{'tag': 't', **unknown, 'name': 'n'}", "something in package"),
        ("", "make('n')", "package"),
        ("B = {'tag': 't'}\nB['tag'] = 'u'", "B", "package"),
        ("B = {'tag': 't'}\nA = B\nA.update(tag='u')", "B", "package"),
        ("B = {'tag': 't'}\nchange(B)", "B", "package"),
        ("B = {'tag': 't'}\ndef f():\n    B['tag'] = 'u'\nf()", "B", "package"),
        ("A = 'x' * 9999\nB = A * 9999\nC = B * 9999", "{'name': 'n', 'tag': C}", "package.tag"),
        ("", "{'name': 'n', 'tag': '%s' % 'x'}", "package.tag"),
        ("", "{'name': 'n', 'tag': f'{1:999999999}'}", "package.tag"),
        ("", "{'name': 'n', 'tag': " + " + ".join(["'x'"] * 900) + "}", "package.tag"),
        ("class C:\n    T = 'a'\nC.T = 'b'", "{'name': 'n', 'tag': C.T}", "package.tag"),
        ("import pathlib", "{'name': 'n', 'tag': pathlib.Path('x').read_text()}", "package.tag"),
        ("import os", "{'name': 'n', 'tag': os.getcwd()}", "package.tag"),
        ("T = 'a'\ndel T", "{'name': 'n', 'tag': T}", "package.tag"),
    ],
)  # fmt: skip
def test_computed_options_are_named_with_their_line_and_the_rest_is_read(
    project: Path, before: str, group: str, note: str
) -> None:
    found = read(project, f"{before}\n@Containerize(package={group})\ndef main(): ...\n")
    line = 3 + before.count("\n")
    assert found.notes == (
        f"app.py:{line}: {note} is computed when the script runs, so it is not known here",
    )
    assert found.layer.package == ({} if note == "package" else {"name": "n"})


def test_exponentially_growing_options_are_limited(project: Path) -> None:
    lines = ["A0 = ['x', 'x']", *(f"A{n} = [*A{n - 1}, *A{n - 1}]" for n in range(1, 60))]
    text = "\n".join(lines) + "\n@Containerize(package={'extras': A59})\ndef main(): ...\n"
    assert "package.extras is computed" in read(project, text).notes[0]


def test_a_script_without_a_decorator_has_no_options(project: Path) -> None:
    text = (
        "def Containerize(**options): ...\n@Containerize(package={'tag': 'x'})\ndef main(): ...\n"
    )
    assert read(project, text, head="").layer.package == {}


def test_warnings_of_the_script_are_not_shown(project: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert package(project, "@Containerize\ndef main(): '\\d'\n") == {}


# Which function ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "tag"),
    [
        ("first()", "a"),
        ("App().second()", "b"),
        ("if __name__ == '__main__':\n    first()", "a"),
        ("if '__main__' == __name__:\n    App().second()\n    first()", "b"),
        ("if __name__ == '__main__':\n    raise SystemExit(first())", "a"),
        ("if __name__ == '__main__':\n    helper()", "a"),
        ("if __name__ == '__main__':\n    with x:\n        helper()", "a"),
        ("if __name__ == '__main__':\n    try:\n        first()\n    except E:\n        App().second()", "a"),
        ("if __name__ == '__main__':\n    import asyncio\n    asyncio.run(first())", "a"),
        ("if __name__ == '__main__':\n    print(first.remote(1))", "a"),
        ("if __name__ == '__main__':\n    list(App().second.map([1]))", "b"),
        ("if __name__ == '__main__':\n    first.within(3).remote(1)", "a"),
        ("if __name__ == '__main__':\n    run(first)", "a"),
        ("if __name__ == '__main__':\n    if x:\n        first()", "a"),
        ("def other():\n    App().second()\nfirst()", "a"),
    ],
)  # fmt: skip
def test_the_called_function_of_several_is_read(project: Path, end: str, tag: str) -> None:
    assert package(project, f"{TWO}\n{end}\n") == {"tag": tag}


@pytest.mark.parametrize(
    "end",
    [
        "",
        "if __name__ == '__main__':\n    if x:\n        first()\n    else:\n        App().second()",
        "if __name__ == '__main__':\n    if x:\n        first()\n    App().second()",
        "if __name__ == '__main__':\n    first() if x else App().second()",
        "if __name__ == '__main__':\n    x and first()\n    App().second()",
        "if __name__ == '__main__':\n    {'a': first, 'b': App().second}[x]()",
        "if __name__ == '__main__':\n    for f in x:\n        first()\n    App().second()",
        "if __name__ == '__main__':\n    deep()",  # two levels
    ],
)
def test_ambiguous_functions_are_listed(project: Path, end: str) -> None:
    with pytest.raises(EntryError) as refused:
        read(project, f"{TWO}\n{end}\n")
    assert str(refused.value) == (
        "app.py decorates several functions with different options, and which of them it calls first is not certain:"
        " first (line 3), App.second (line 7)\nName one: --function first."
    )
    assert read(project, f"{TWO}\n{end}\n", "App.second").layer.package == {"tag": "b"}


@pytest.mark.parametrize(
    ("end", "tag"),
    [("A().run()", "a"), ("B().run()", "b"), ("B.run.remote(1)", "b"), ("make().run()", None)],
)
def test_methods_of_one_name_are_distinguished_by_their_class(
    project: Path, end: str, tag: str | None
) -> None:
    text = "".join(
        f"class {name.upper()}:\n    @Containerize(package={{'tag': '{name}'}})\n    def run(self): ...\n"
        for name in "ab"
    )
    if tag is not None:
        assert package(project, f"{text}{end}\n") == {"tag": tag}
        return
    with pytest.raises(EntryError, match=r"A\.run \(line 3\), B\.run \(line 6\)"):
        read(project, f"{text}{end}\n")


def test_functions_with_the_same_options_are_not_ambiguous(project: Path) -> None:
    text = "@Containerize(package={'tag': 'v'})\ndef a(): ...\n" * 2
    assert package(project, text.replace("def a", "def b", 1)) == {"tag": "v"}


def test_an_undecorated_function_is_refused(project: Path) -> None:
    with pytest.raises(EntryError, match=r"app\.py has no decorated function x\nDecorated are: f"):
        read(project, TWO, "x")
    with pytest.raises(EntryError, match="leave --function out"):
        read(project, "print()\n", "x")
    with pytest.raises(EntryError, match="leave --function out"):
        read_decorator("", "x")


# Other files ------------------------------------------------------------------------------------------


def test_an_imported_and_called_function_is_read_from_its_module(project: Path) -> None:
    (project / "pkg").mkdir()
    (project / "pkg" / "__init__.py").write_text("from .cli import main\n")
    text = HEAD + "@Containerize(package={'tag': 'v', 'name': n})\ndef main(): ...\n"
    (project / "pkg" / "cli.py").write_text(text)
    (project / "pkg" / "__main__.py").write_text("from pkg import main as run\nrun()\n")
    entry = Entry(
        kind="module",
        script=str(project / "pkg" / "__main__.py"),
        module="pkg",
        import_root=str(project),
    )
    found = read_decorator_of(entry)
    assert found.layer.package == {"tag": "v"}
    assert found.notes[0].startswith(f"{os.path.join('pkg', 'cli.py')}:2: package.name is computed")


def test_a_function_that_is_only_imported_does_not_count(project: Path) -> None:
    (project / "lib.py").write_text(HEAD + "@Containerize(package={'tag': 'v'})\ndef f(): ...\n")
    assert package(project, "import lib\nfrom lib import f\nprint()\n", head="") == {}
    assert package(project, "from lib import f\nf()\n", head="") == {"tag": "v"}


# Errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "problem"),
    [
        ("def main(:\n", EntryError, r"app\.py:2: invalid syntax\n.*Correct the syntax"),
        ("x = '\0'\n", EntryError, r"app\.py.*null byte"),
        ("@Containerize(package={'tga': 'x'})\ndef main(): ...\n", OptionError,
         r"app\.py:2: package\.tga is not an option; did you mean 'tag'\?"),
        ("@Containerize(package=PackageOptions(tga='x'))\ndef main(): ...\n", OptionError,
         r"app\.py:2: package\.tga is not an option"),
        ("\n@Containerize(packge={})\ndef main(): ...\n", OptionError,
         r"app\.py:3: @Containerize takes no 'packge'\naccepted: package="),
    ],
)  # fmt: skip
def test_a_syntax_error_is_reported_with_its_line(
    project: Path, text: str, error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        read(project, text)


def test_syntax_errors_without_a_decorator_are_left_to_python(project: Path) -> None:
    assert read(project, "def main(:\n", head="").layer.package == {}


def test_an_unreadable_file_is_named(project: Path) -> None:
    (project / "app.py").mkdir()
    with pytest.raises(EntryError, match=r"app\.py cannot be read: it is a directory"):
        read_decorator(str(project / "app.py"))
