"""What the guest sees of its environment, and what happens to the files that it writes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.images import nothing_left as check_nothing_left
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine
    from tests.engine.images import Site

SCRIPT = """\
import getpass, json, locale, os, sys, time
from buildr import Containerize

class Model:
    k = 10
    @Containerize
    def predict(self, x):
        return self.k * x
    @Containerize
    @classmethod
    def name(cls, x):
        return [cls.__name__, x]

@Containerize(package={{"name": {name!r}}}, runtime=json.loads(os.environ.get("OPTIONS", "{{}}")))
def main():
    exec(sys.argv[1], globals())

if __name__ == "__main__":
    main()
"""
VIEW = "print(json.dumps([getpass.getuser(), locale.setlocale(locale.LC_ALL, ''), time.strftime('%Z', time.localtime(0))]))"
WRITE = """
os.makedirs("out/deep")
for name in ("out/a.csv", "out/deep/b.csv", "else.txt"):
    print(name, file=open(name, "w"))
os.symlink("/etc/passwd", "out/link.csv")
sys.exit(3)
"""


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    yield from check_nothing_left(engine)


@pytest.fixture(scope="module")
def site(engine: Engine) -> Iterator[Site]:
    """A project with a built image."""
    for made in make_site(engine):
        made.write({"app.py": SCRIPT.format(name=made.name), "data/.keep": ""})
        done = made.run("app.py", "pass")
        assert done.returncode == 0, done.stderr.decode()
        yield made


def printed(site: Site, *words: str, options: dict[str, Any] | None = None, **env: str) -> Any:
    done = site.run(*words, env={"OPTIONS": json.dumps(options or {}), **env})
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_user_locale_and_time_zone_are_usable(site: Site) -> None:
    found = printed(site, "app.py", VIEW, LC_ALL="de_DE.ISO-8859-1", TZ="Asia/Kolkata")
    assert found == ["app", "C.UTF-8", "IST"]


def test_a_uid_without_an_entry_in_the_image_has_a_name(site: Site) -> None:
    options = {"mounts": ["./data:/data"]}
    user, *_ = printed(site, "app.py", VIEW, options=options)
    assert user in ("root", "app")


def test_interpreter_options_apply(site: Site) -> None:
    code = "print(json.dumps([sys.flags.optimize, sys.warnoptions, sys.flags.dev_mode]))"
    words = ("-OO", "-W", "error::UserWarning", "-X", "dev", "app.py", code)
    assert printed(site, *words) == [2, ["default", "error::UserWarning"], True]


def test_decorated_methods_are_bound(site: Site) -> None:
    code = "m = Model(); print(json.dumps([m.predict.local(2), list(m.predict.map([3])), m.name.remote(1)]))"
    assert printed(site, "app.py", code) == [20, [30], ["Model", 1]]


def test_a_class_method_is_called_alone(site: Site) -> None:
    site.write({"call.py": "import json, app; print(json.dumps(app.Model.name.remote(1)))"})
    assert printed(site, "call.py") == ["Model", 1]


def test_outputs_are_copied_after_any_exit_status(engine: Engine, site: Site) -> None:
    options = json.dumps({"outputs": ["out/**"]})
    done = site.run("app.py", WRITE, env={"OPTIONS": options})
    assert done.returncode == 3, done.stderr.decode()
    top = site.directory / "out"
    found = {str(p.relative_to(top)): p.read_text() for p in top.rglob("*") if p.is_file()}
    assert found == {"a.csv": "out/a.csv\n", "deep/b.csv": "out/deep/b.csv\n"}
    assert {p.lstat().st_uid for p in top.rglob("*")} == {engine.uid}
    assert b"not copied to the project: out/link.csv is not a regular file" in done.stderr
    assert not os.path.lexists(top / "link.csv")
    assert not (site.directory / "else.txt").exists()


@pytest.mark.parametrize("status", [0, 3])
def test_project_modules_may_have_names_of_standard_modules(site: Site, status: int) -> None:
    names = "queue signal platform types json token random string threading inspect uuid docker requests"
    site.write({f"shadows/{name}.py": "MINE = True\n" for name in names.split()})
    text = "import string, json, token\nfrom buildr import Containerize\n"
    text += f"@Containerize(package={{'name': {site.name!r}, 'context': '.'}})\ndef main():\n"
    text += (
        f"    print(string.MINE, json.MINE, token.MINE)\n    raise SystemExit({status})\nmain()\n"
    )
    site.write({"shadows/app.py": text})
    done = site.run("app.py", cwd=site.directory / "shadows")
    assert (done.stdout, done.returncode) == (b"True True True\n", status), done.stderr.decode()
