"""Installing with secrets, on an engine in memory: what goes in, what comes out, what is refused."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.engines.plaintext import VARIABLE
from buildr.errors import BuildError, CommandNotFoundError, EngineLostError, OptionError
from buildr.image.ensure import ensure_image
from buildr.installer.advice import ADVICE
from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan
from buildr.testing import FakeBackend
from tests.unit.housekeeping import clean_up
from tests.unit.installer.locked import lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.testing import FakeContainer

pytestmark = pytest.mark.usefixtures("directory")

TOKEN = "hunter2-hunter2"  # noqa: S105 - the canary of these tests


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", TOKEN)


class Installer:
    """A guest that installs as the program inside does, without pip."""

    def __init__(
        self, files: dict[str, bytes] | None = None, removed: tuple[str, ...] = ()
    ) -> None:
        self.files = {"usr/lib/rich.py": b"installed"} if files is None else files
        self.removed = removed
        self.orders: list[dict[str, Any]] = []
        self.read: list[str] = []
        self.says = b"Collecting rich\n"
        self.status = 0

    def __call__(self, container: FakeContainer) -> int:
        self.orders.append(json.loads(container.stdin.readline()))
        with tarfile.open(fileobj=io.BytesIO(container.stdin.read())) as archive:
            self.read = archive.getnames()
        container.stderr.write(self.says)
        if self.status:
            return self.status
        container.stdout.write(json.dumps({"removed": self.removed}).encode() + b"\n")
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, data in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        container.stdout.write(stream.getvalue())
        return 0


def build(backend: FakeBackend, **options: Any) -> str:
    options = {"secrets": ["id=TOKEN"], **options}
    cache = options.pop("cache", True)
    entry = Entry(kind="script", script=str(Path("app.py").absolute()))
    return ensure_image(
        backend, plan(entry, package_options(options)), lambda _text: None, cache=cache
    )


def test_an_installation_becomes_the_base_of_the_project_s_image() -> None:
    guest = Installer()
    backend = FakeBackend(guest)
    build(backend)
    dependencies, project = backend.builds
    assert 'ADD ["installed.tar", "/"]' in dependencies.containerfile
    assert b"installed" in dependencies.files["installed.tar"].data
    assert "pip install" not in project.containerfile
    assert "dependencies/requirements.txt" not in project.files
    (run,) = backend.runs
    assert run.removed
    assert guest.orders[0]["installs"][0][-2:] == [
        "-r",
        "/usr/local/share/buildr/dependencies/requirements.txt",
    ]
    assert guest.read[-1] == "usr/local/share/buildr/dependencies/requirements.txt"


def test_the_project_still_has_its_own_version(directory: Path) -> None:
    (directory / "requirements.txt").unlink()
    (directory / "pyproject.toml").write_text(
        '[project]\nname = "own"\nversion = "1.2"\ndependencies = ["rich"]\n'
        '[build-system]\nrequires = ["setuptools"]\n'
    )
    (directory / "src" / "own").mkdir(parents=True)
    (directory / "src" / "own" / "__init__.py").touch()
    backend = FakeBackend(Installer())
    build(backend)
    assert b"Version: 1.2" in backend.builds[-1].files["guest/own-1.2.dist-info/METADATA"].data


def test_all_calls_of_pip_get_the_secrets(directory: Path) -> None:
    lock(
        directory,
        '[[packages]]\nname = "b"\nvcs = { type = "git", url = "https://g.example.org/b", commit-id = "0123456" }\n',
    )
    guest = Installer()
    backend = FakeBackend(guest)
    build(backend)
    root = "/usr/local/share/buildr/dependencies"
    assert [words[-1] for words in guest.orders[0]["installs"]] == [
        f"{root}/locked.txt",
        f"{root}/unhashed.txt",
        f"{root}/local.txt",
    ]
    assert "app/app.py" in guest.read
    assert "pip install" not in backend.builds[-1].containerfile
    (directory / "app.py").write_text("print('changed')\n")
    build(backend)
    assert len(guest.orders) == 2


def test_system_packages_are_installed_before_pip_runs() -> None:
    guest = Installer()
    backend = FakeBackend(guest)
    build(backend, system_packages=["git"])
    packages, dependencies, project = backend.builds
    assert "apk add --no-cache git" in packages.containerfile
    assert "apk add" not in dependencies.containerfile + project.containerfile
    installed_on = backend.runs[0].spec.image
    assert f"FROM {installed_on}\n" in dependencies.containerfile
    assert f"FROM {installed_on}\n" not in packages.containerfile
    build(backend, system_packages=["git"])
    assert len(backend.builds) == 3


def test_a_secret_is_passed_only_by_standard_input() -> None:
    guest = Installer()
    backend = FakeBackend(guest)
    build(backend)
    assert guest.orders[0]["variables"]["TOKEN"] == TOKEN
    assert TOKEN not in repr(backend.runs[0].spec)
    assert all(TOKEN.encode() not in made.archive for made in backend.builds)


def test_a_change_of_the_source_reinstalls_nothing(directory: Path) -> None:
    guest = Installer()
    backend = FakeBackend(guest)
    build(backend)
    (directory / "app.py").write_text("print('changed')\n")
    build(backend)
    assert len(guest.orders) == 1
    (directory / "requirements.txt").write_text("rich==14\n")
    build(backend)
    assert len(guest.orders) == 2
    build(backend, cache=False)
    assert len(guest.orders) == 3


def test_a_stored_image_needs_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(Installer())
    image = build(backend)
    monkeypatch.delenv("TOKEN")
    assert build(backend) == image
    with pytest.raises(OptionError, match="TOKEN, which is not set"):
        build(backend, cache=False)


def test_a_requirement_in_the_source_includes_the_source(directory: Path) -> None:
    (directory / "requirements.txt").write_text("./lib\n")
    (directory / "lib").mkdir()
    (directory / "lib/pyproject.toml").write_text("")
    guest = Installer()
    backend = FakeBackend(guest)
    build(backend)
    assert "app/lib/pyproject.toml" in guest.read
    assert guest.orders[0]["owner"] == 1000
    (directory / "lib/pyproject.toml").write_text("# changed")
    build(backend)
    assert len(guest.orders) == 2


def test_removed_files_are_removed_first() -> None:
    backend = FakeBackend(Installer(removed=("/usr/lib/old one.py", "/usr/lib/b")))
    build(backend)
    made = backend.builds[0]
    assert made.files["removed"].data == b"/usr/lib/old one.py\0/usr/lib/b\0"
    assert made.containerfile.index("xargs -0 rm -rf --") < made.containerfile.index("ADD [")


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"usr/lib/x.py": b"a" * 2_000_000 + TOKEN.encode()}, "/usr/lib/x.py"),
        ({"usr/lib/x.py": b"a" * ((1 << 20) - 5) + TOKEN.encode() + b"b"}, "/usr/lib/x.py"),
        ({f"usr/lib/{TOKEN}.py": b""}, "the name of a file"),
    ],
)
def test_a_secret_in_an_installed_file_ends_the_build(files: dict[str, bytes], where: str) -> None:
    backend = FakeBackend(Installer(files))
    with pytest.raises(BuildError, match=f"wrote the secret 'TOKEN' into {where}") as refused:
        build(backend)
    assert TOKEN not in str(refused.value)
    assert backend.builds == []


def test_a_failure_shows_pip_s_message_without_the_secret() -> None:
    guest = Installer()
    guest.says, guest.status = f"ERROR: no way with {TOKEN}\nlast".encode(), 1
    backend = FakeBackend(guest)
    with pytest.raises(
        BuildError, match=r"dependencies cannot be installed: no way with \*\*\*\*"
    ) as failed:
        build(backend)
    assert failed.value.hint == f"ERROR: no way with ****\nlast\n{ADVICE}"
    assert backend.runs[0].removed


def test_output_of_a_package_cannot_control_the_terminal() -> None:
    guest = Installer()
    guest.says = b"\x1b]0;TITLE\x07\x1b[2J\x1b]8;;http://x/\x07click\x1b]8;;\x07 \xc2\x9b31m\nERROR: \x1b[8mno\n"
    guest.status = 1
    with pytest.raises(BuildError) as failed:
        build(FakeBackend(guest))
    assert failed.value.what == "dependencies cannot be installed: no"
    assert failed.value.hint.splitlines()[:2] == ["click 31m", "ERROR: no"]


def test_an_endless_line_takes_bounded_memory() -> None:
    guest = Installer()
    guest.says, guest.status = b"A" * (8 << 20) + b"\nERROR: last\n", 1
    with pytest.raises(BuildError, match="cannot be installed: last") as failed:
        build(FakeBackend(guest))
    assert len(failed.value.hint) < 1 << 14


def test_an_answer_written_by_a_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildr.installer.output.INSTALLATION_ANSWER", 1 << 10)

    def write(container: FakeContainer) -> int:
        container.stdin.readline()
        container.stdout.write(b"A" * (1 << 12))
        return 0

    backend = FakeBackend(write)
    with pytest.raises(BuildError, match="writes into what the installation answers"):
        build(backend)
    assert backend.runs[0].removed


def test_a_missing_answer_is_a_failure() -> None:
    backend = FakeBackend(lambda container: 0)  # noqa: ARG005 - a guest's signature
    with pytest.raises(
        BuildError, match="dependencies cannot be installed: pip ended with status 0"
    ):
        build(backend)


def test_a_missing_python_in_the_base_is_not_reported_as_a_status_of_the_guest() -> None:
    backend = FakeBackend(Installer())
    backend.fail("start", CommandNotFoundError("python is not there"))
    with pytest.raises(
        BuildError, match="dependencies cannot be installed: python is not there"
    ) as failed:
        build(backend)
    assert failed.value.exit_code == 125


def test_a_broken_stream_leaves_no_container() -> None:
    def cut(container: FakeContainer) -> int:
        container.cut()
        return 0

    backend = FakeBackend(cut)
    with pytest.raises(EngineLostError):
        build(backend)
    assert backend.runs[0].removed


def test_the_newest_images_of_dependencies_are_kept(directory: Path) -> None:
    guest = Installer()
    backend = FakeBackend(guest)
    for version in range(4):
        guest.files = {"usr/lib/rich.py": str(version).encode()}
        (directory / "requirements.txt").write_text(f"rich=={version}\n")
        build(backend)
        clean_up(backend)
    tags = [tag for image in backend.images({"buildr.dependencies": ""}) for tag in image.tags]
    assert len([tag for tag in tags if ":deps-" in tag]) == 2


def test_without_dependencies_no_secret_is_read(directory: Path) -> None:
    (directory / "requirements.txt").unlink()
    backend = FakeBackend(Installer())
    said: list[str] = []
    tell: Callable[[str], None] = said.append
    entry = Entry(kind="script", script=str(directory / "app.py"))
    ensure_image(backend, plan(entry, package_options({"secrets": ["id=TOKEN"]})), tell)
    assert backend.runs == []
    assert any("package.secrets: nothing is installed" in line for line in said)


def test_secrets_are_not_sent_over_plain_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    guest = Installer()
    backend = FakeBackend(guest)
    backend._info = replace(backend.info, plaintext=True)
    with pytest.raises(
        OptionError, match="plain TCP: the build secrets would travel there in clear"
    ):
        build(backend)
    assert guest.orders == []
    monkeypatch.setenv(VARIABLE, "1")
    build(backend)
    assert len(guest.orders) == 1
