"""`buildr doctor`: what each check finds, and the command that fixes it."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from buildr.doctor import Check, Findings, Host, cgroups, distribution, examine, report, rootless
from buildr.engines.records import EngineDetails
from buildr.errors import EngineError, EngineNotFoundError, EngineUnavailableError, OptionError
from buildr.testing import FakeBackend, using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from buildr.engines.protocol import Backend
    from buildr.errors import BackendError

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nID_LIKE=debian\n'
FEDORA = "PRETTY_NAME='Fedora Linux 42'\nID=fedora\n"
ROCKY = 'PRETTY_NAME="Rocky Linux 9"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
ARCH = "ID=arch\n"
LEAP = 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n'
ALPINE = "ID=alpine\n"
UNKNOWN = "# nothing that anybody knows\nID=plan10\nBROKEN='\n"


class Machine:
    """A directory as a machine's root, with everything that rootless Podman needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uid = os.geteuid() or 1000
        self.environ = {"PATH": str(root / "bin"), "XDG_RUNTIME_DIR": self.runtime}
        self.write("etc/os-release", DEBIAN)
        self.write("etc/subuid", "someone:100000:65536\nme:165536:65536\n")
        self.write("etc/subgid", "me:165536:65536\n")
        self.write("dev/net/tun", "")
        self.write("proc/sys/user/max_user_namespaces", "95986\n")
        self.write("proc/1/cgroup", "0::/init.scope\n")
        self.write("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n")
        self.write(self.controllers, "cpu memory pids\n")
        for name in ("newuidmap", "newgidmap", "pasta", "slirp4netns", "podman"):
            self.write(f"bin/{name}", "#!/bin/sh\n").chmod(0o4755)
        self.directory(self.runtime)

    @property
    def runtime(self) -> str:
        return f"/run/user/{self.uid}"

    @property
    def controllers(self) -> str:
        slices = f"user.slice/user-{self.uid}.slice/user@{self.uid}.service"
        return f"sys/fs/cgroup/{slices}/cgroup.controllers"

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def directory(self, path: str) -> None:
        """Create a directory of the user."""
        found = self.root / path.strip("/")
        found.mkdir(parents=True)
        if os.geteuid() == 0:
            os.chown(found, self.uid, -1)

    def remove(self, *paths: str) -> None:
        for path in paths:
            (self.root / path).unlink()

    @property
    def host(self) -> Host:
        return Host(root=str(self.root), environ=self.environ, uid=self.uid, user="me")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.delenv("BUILDR_BACKEND", raising=False)
    return Machine(tmp_path)


class Podman(FakeBackend):
    """A fake Podman whose details can be chosen."""

    def __init__(
        self, *, rootless: bool = True, remote: bool = False, **details: str | int
    ) -> None:
        super().__init__(name="podman", rootless=rootless, remote=remote)
        self._info = replace(self._info, daemonless=True, network_program="slirp4netns")
        self.chosen_details = details

    def details(self) -> EngineDetails:
        """See `buildr.engines.protocol.Backend.details`."""
        super().details()
        return EngineDetails(
            **{
                "storage_driver": "overlay",
                "cgroup_version": "2",
                "configuration": "containers",
                **self.chosen_details,
            }  # type: ignore[arg-type] # each value is of its field's type
        )


ABSENT = EngineNotFoundError("it is not installed", hint="Install it.")
BROKEN = EngineUnavailableError("nobody answers", hint="Start it.")


def examined(
    machine: Machine,
    engines: Mapping[str, Backend | BackendError],
    *,
    flag: str | None = None,
    base_image: str | None = None,
) -> Findings:
    with using(engines):
        return examine(flag=flag, base_image=base_image, host=machine.host)


def by_name(findings: Findings) -> dict[str, Check]:
    found = {check.name: check for check in findings.checks}
    assert len(found) == len(findings.checks)
    return found


# Distributions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (DEBIAN, "sudo apt-get install -y podman"),
        (UBUNTU, "sudo apt-get install -y podman"),
        (FEDORA, "sudo dnf install -y podman"),
        (ROCKY, "sudo dnf install -y podman"),
        (ARCH, "sudo pacman -S --needed podman"),
        (LEAP, "sudo zypper install -y podman"),
        (ALPINE, "sudo apk add podman"),
    ],
)
def test_packages_are_installed_with_the_distribution_s_command(
    machine: Machine, text: str, command: str
) -> None:
    machine.write("etc/os-release", text)
    assert distribution.install(machine.host, ("podman",)) == (command,)


def test_an_unknown_distribution_gets_no_command(machine: Machine) -> None:
    machine.write("etc/os-release", UNKNOWN)
    machine.remove("bin/newuidmap")
    check = rootless.id_mapping(machine.host, "fail")
    assert check.fix == ()
    assert "newuidmap" in check.advice


def test_os_release_may_be_in_usr(machine: Machine) -> None:
    machine.remove("etc/os-release")
    machine.write("usr/lib/os-release", FEDORA)
    assert distribution.release(machine.host)["PRETTY_NAME"] == "Fedora Linux 42"


# What rootless Podman needs -----------------------------------------------------------------------


def test_a_complete_machine_passes(machine: Machine) -> None:
    checks = list(rootless.checks(machine.host, bad="fail"))
    assert [check for check in checks if check.status != "ok"] == []
    assert len(checks) == 5


@pytest.mark.parametrize("owner", ["me", "{uid}"])
def test_subordinate_ids_are_listed_by_name_or_number(machine: Machine, owner: str) -> None:
    line = f"{owner.format(uid=machine.uid)}:100000:65536\n"
    machine.write("etc/subuid", line)
    machine.write("etc/subgid", line)
    assert rootless.subordinate_ids(machine.host, "fail").status == "ok"


def test_without_subordinate_ids_the_command_takes_a_free_range(machine: Machine) -> None:
    machine.write("etc/subuid", "someone:100000:65536\n")
    machine.write("etc/subgid", "other:165536:65536\n")
    check = rootless.subordinate_ids(machine.host, "fail")
    assert check.status == "fail"
    assert check.fix == (
        "echo me:231072:65536 | sudo tee -a /etc/subuid /etc/subgid",
        "podman system migrate",
    )


def test_only_the_file_that_lacks_the_user_is_fixed(machine: Machine) -> None:
    machine.remove("etc/subgid")
    check = rootless.subordinate_ids(machine.host, "warn")
    assert check.fix[0] == "echo me:231072:65536 | sudo tee -a /etc/subgid"
    assert "me has 65536 in /etc/subuid and 0 in /etc/subgid" in check.text


@pytest.mark.parametrize(
    "line", ["me:100000:100", "me", "me:x:65536", "me:100000", "", "me::65536"]
)
def test_a_small_or_invalid_range_does_not_count(machine: Machine, line: str) -> None:
    machine.write("etc/subuid", f"{line}\n")
    assert rootless.subordinate_ids(machine.host, "fail").status == "fail"


def test_ids_reported_by_the_engine_count(machine: Machine) -> None:
    machine.remove("etc/subuid", "etc/subgid")
    assert rootless.subordinate_ids(machine.host, "fail", user_ids=65537).status == "ok"
    assert rootless.subordinate_ids(machine.host, "fail", user_ids=1).status == "fail"


@pytest.mark.parametrize(
    ("text", "package"),
    [(DEBIAN, "uidmap"), (FEDORA, "shadow-utils"), (ARCH, "shadow"), (ALPINE, "shadow-subids")],
)
def test_newuidmap_comes_from_the_package_of_the_distribution(
    machine: Machine, text: str, package: str
) -> None:
    machine.write("etc/os-release", text)
    machine.remove("bin/newuidmap")
    check = rootless.id_mapping(machine.host, "fail")
    assert check.text == "newuidmap is not installed"
    assert check.fix[0].endswith(f" {package}")


def test_newuidmap_needs_to_be_setuid_or_to_have_a_capability(machine: Machine) -> None:
    program = machine.root / "bin/newgidmap"
    program.chmod(0o755)
    check = rootless.id_mapping(machine.host, "fail")
    assert check.fix == (f"sudo chmod u+s {program}",)


def test_without_the_tun_device_its_module_is_loaded(machine: Machine) -> None:
    machine.remove("dev/net/tun")
    assert rootless.network(machine.host, "fail").fix == ("sudo modprobe tun",)


def test_a_tun_device_that_cannot_be_opened_is_made_accessible(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root can open everything
    assert rootless.network(machine.host, "fail").fix == ("sudo chmod 666 /dev/net/tun",)


@pytest.mark.parametrize(
    ("program", "package"), [("slirp4netns", "slirp4netns"), ("pasta", "passt")]
)
def test_the_network_program_is_that_of_the_engine(
    machine: Machine, program: str, package: str
) -> None:
    assert program in rootless.network(machine.host, "fail", program).text
    machine.remove(f"bin/{program}")
    check = rootless.network(machine.host, "fail", program)
    assert check.status == "fail"
    assert check.fix == (f"sudo apt-get install -y {package}",)


def test_one_network_program_is_enough_for_an_unknown_engine(machine: Machine) -> None:
    machine.remove("bin/slirp4netns")
    assert rootless.network(machine.host, "fail").status == "ok"
    machine.remove("bin/pasta")
    assert "slirp4netns or pasta" in rootless.network(machine.host, "fail").text


@pytest.mark.parametrize("key", ["user/max_user_namespaces", "kernel/unprivileged_userns_clone"])
def test_forbidden_user_namespaces_are_enabled_permanently(machine: Machine, key: str) -> None:
    machine.write(f"proc/sys/{key}", "0\n")
    check = rootless.user_namespaces(machine.host, "fail")
    assert check.status == "fail"
    assert f"echo {key.replace('/', '.')}=" in check.fix[0]
    assert check.fix[1] == "sudo sysctl --system"


def test_a_runtime_directory_without_a_variable_is_found(machine: Machine) -> None:
    del machine.environ["XDG_RUNTIME_DIR"]
    assert rootless.runtime_directory(machine.host).status == "ok"


def test_the_user_s_runtime_directory_replaces_that_of_another_user(machine: Machine) -> None:
    machine.environ["XDG_RUNTIME_DIR"] = "/run/user/0"
    check = rootless.runtime_directory(machine.host)
    assert check.status == "warn"
    assert check.fix == (f"export XDG_RUNTIME_DIR={machine.runtime}",)


def test_without_a_runtime_directory_systemd_makes_one(machine: Machine) -> None:
    (machine.root / machine.runtime.strip("/")).rmdir()
    machine.write("run/systemd/system/x", "")
    check = rootless.runtime_directory(machine.host)
    assert check.fix[0] == "sudo loginctl enable-linger me"


def test_without_systemd_a_runtime_directory_is_created_by_command(machine: Machine) -> None:
    (machine.root / machine.runtime.strip("/")).rmdir()
    assert rootless.runtime_directory(machine.host).fix[0].startswith("mkdir -p -m 700 ")


# Control groups -----------------------------------------------------------------------------------


def test_limits_apply_if_all_controllers_are_delegated(machine: Machine) -> None:
    check = cgroups.check(machine.host, rootless=True)
    assert (check.status, check.text) == ("ok", "version 2, delegated to you: limits hold")


def test_missing_controllers_are_named(machine: Machine) -> None:
    machine.write(machine.controllers, "memory pids\n")
    check = cgroups.check(machine.host, rootless=True)
    assert check.status == "warn"
    assert "not delegated to you: cpu;" in check.text
    assert any("Delegate=cpu" in command for command in check.fix)


def test_without_a_session_nothing_is_delegated(machine: Machine) -> None:
    machine.remove(machine.controllers)
    check = cgroups.check(machine.host, rootless=True)
    assert "no systemd session" in check.text
    assert check.fix[0].startswith("sudo loginctl enable-linger me")


@pytest.mark.parametrize(
    ("text", "command"),
    [(DEBIAN, "update-grub"), (FEDORA, "grubby"), (ALPINE, "rc_cgroup_mode"), (ARCH, "")],
)
def test_version_1_does_not_limit_rootless_containers(
    machine: Machine, text: str, command: str
) -> None:
    machine.write("etc/os-release", text)
    machine.remove("sys/fs/cgroup/cgroup.controllers")
    machine.write("sys/fs/cgroup/memory/tasks", "")
    check = cgroups.check(machine.host, rootless=True)
    assert check.status == "warn"
    assert "ignores" in check.text
    assert command in " ".join(check.fix)
    assert check.advice


@pytest.mark.parametrize("version", ["1", "2"])
def test_limits_of_a_rootful_engine_apply_with_either_version(
    machine: Machine, version: str
) -> None:
    check = cgroups.check(machine.host, rootless=False, engine_says=version)
    assert (check.status, check.text) == ("ok", f"version {version}: limits hold")


def test_a_machine_without_control_groups_has_no_limits(machine: Machine) -> None:
    machine.remove("sys/fs/cgroup/cgroup.controllers", machine.controllers)
    for path in sorted((machine.root / "sys").rglob("*"), reverse=True):
        path.rmdir()
    assert cgroups.check(machine.host, rootless=True).status == "warn"


# Engines ------------------------------------------------------------------------------------------


def test_a_healthy_machine_has_no_warning(machine: Machine) -> None:
    findings = examined(machine, {"podman": Podman(), "docker": ABSENT})
    assert [check for check in findings.checks if check.status != "ok"] == []
    assert findings.usable
    checks = by_name(findings)
    assert checks["engine"].text == "podman 1.0, rootless; chosen since Podman comes first"
    assert checks["socket"].text == "memory:podman: a fake for tests"
    assert checks["docker"].text == "not usable, and not asked for: it is not installed"
    assert checks["storage"].text == "overlay"
    assert checks["base image"].text.startswith("docker.io/library/python:3-alpine is not stored")
    assert checks["detection"].text.startswith("no container: ")


def test_the_other_engine_s_state_is_shown_too(machine: Machine) -> None:
    findings = examined(machine, {"podman": Podman(), "docker": FakeBackend(rootless=False)})
    assert by_name(findings)["docker"].text == "1.0, rootful, not used; memory:fake"


def test_docker_instead_of_a_broken_podman_is_a_warning(machine: Machine) -> None:
    findings = examined(machine, {"podman": BROKEN, "docker": FakeBackend(name="docker")})
    checks = by_name(findings)
    assert findings.engine == "docker"
    assert "chosen since podman cannot be used" in checks["engine"].text
    assert (checks["podman"].status, checks["podman"].advice) == ("warn", "Start it.")


@pytest.mark.parametrize("origin", ["--backend", "BUILDR_BACKEND"])
def test_an_unusable_named_engine_is_a_failure(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    flag = "docker" if origin == "--backend" else None
    monkeypatch.setenv("BUILDR_BACKEND", "docker")
    findings = examined(machine, {"podman": Podman(), "docker": BROKEN}, flag=flag)
    checks = by_name(findings)
    assert not findings.usable
    assert checks["engine"].text == f"docker cannot be used, and {origin} names it"
    assert checks["docker"].status == "fail"
    assert checks["podman"].status == "ok"


def test_a_login_in_an_address_is_not_shown(machine: Machine) -> None:
    address = "tcp://me:hunter2@engine.example.org:2375"
    failure = EngineUnavailableError(f"no answer of {address}", hint=f"Start {address}.")
    found = examined(machine, {"podman": Podman(), "docker": failure}, flag="docker")
    check = by_name(found)["docker"]
    assert "me:****@engine" in check.text
    assert "me:****@engine" in check.advice
    assert "hunter2" not in repr(check)


def test_an_unknown_backend_is_an_error(machine: Machine) -> None:
    with pytest.raises(OptionError, match="no backend 'nope'"):
        examine(flag="nope", host=machine.host)


def test_without_any_engine_everything_that_is_missing_is_a_failure(machine: Machine) -> None:
    machine.remove("bin/podman", "bin/newuidmap", "dev/net/tun")
    findings = examined(machine, {"podman": ABSENT, "docker": ABSENT})
    failed = {check.name for check in findings.checks if check.status == "fail"}
    assert failed == {"engine", "podman", "docker", "id mapping", "network"}
    assert by_name(findings)["podman"].fix == ("sudo apt-get install -y podman",)
    assert not findings.usable


def test_with_a_working_engine_missing_parts_are_warnings(machine: Machine) -> None:
    machine.remove("dev/net/tun")
    findings = examined(machine, {"podman": Podman()})
    assert by_name(findings)["network"].status == "warn"
    assert findings.usable


def test_requirements_of_rootless_podman_are_not_checked_for_docker(machine: Machine) -> None:
    machine.remove("bin/podman", "dev/net/tun")
    findings = examined(machine, {"docker": FakeBackend(name="docker")}, flag="docker")
    assert "network" not in by_name(findings)


def test_requirements_of_rootless_podman_are_not_checked_for_root(machine: Machine) -> None:
    machine.uid = 0
    findings = examined(machine, {"podman": Podman(rootless=False)})
    assert "subordinate ids" not in by_name(findings)


def test_this_machine_is_not_checked_for_a_remote_engine(machine: Machine) -> None:
    machine.remove("dev/net/tun")
    checks = by_name(examined(machine, {"podman": Podman(remote=True)}))
    assert "remote" in checks["engine"].text
    assert not {"network", "cgroups"} & set(checks)


def test_control_groups_reported_by_the_engine_have_precedence(machine: Machine) -> None:
    checks = by_name(examined(machine, {"podman": Podman(cgroup_version="1")}))
    assert "version 1" in checks["cgroups"].text


@pytest.mark.parametrize(
    "found",
    ["", "[storage]\n  driver = 'vfs'\n", "[storage]\nrunroot = '/run/me'\n[storage.options]\n"],
)
def test_vfs_is_slow_and_the_commands_fix_it(machine: Machine, tmp_path: Path, found: str) -> None:
    home = tmp_path / "home of mine"
    machine.environ["HOME"] = "/home of mine"
    conf = home / ".config" / "containers" / "storage.conf"
    if found:
        machine.write(str(conf.relative_to(tmp_path)), found)
    podman = Podman(storage_driver="vfs", kernel="6.1.0-18-amd64")
    check = by_name(examined(machine, {"podman": podman}))["storage"]
    assert check.status == "warn"
    assert "copies every layer whole" in check.text
    assert "removes all images" in check.text
    reset, change = check.fix
    assert reset == "podman system reset"
    subprocess.run(["sh", "-c", change.replace("/home of mine", str(home))], check=True)
    assert tomllib.loads(conf.read_text())["storage"]["driver"] == "overlay"


@pytest.mark.parametrize("found", ["", "[network]\n", '[engine]\nevents_logger = "file"\n'])
def test_crun_on_cgroups_of_both_versions_fails_and_the_command_fixes_it(
    machine: Machine, tmp_path: Path, found: str
) -> None:
    machine.remove("sys/fs/cgroup/cgroup.controllers")
    machine.write("sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n")
    machine.environ["HOME"] = "/home"
    conf = tmp_path / "home" / ".config" / "containers" / "containers.conf"
    if found:
        machine.write(str(conf.relative_to(tmp_path)), found)
    findings = examined(machine, {"podman": Podman(oci_runtime="crun", cgroup_version="1")})
    check = by_name(findings)["runtime"]
    assert (check.status, findings.usable) == ("fail", False)
    last = list(report.lines(findings, width=80))[-1]
    assert last.startswith("Scripts cannot run in containers here: podman answers")
    runc, change = check.fix
    assert runc == "sudo apt-get install -y runc"
    subprocess.run(["sh", "-c", change.replace("/home/", f"{tmp_path}/home/")], check=True)
    assert tomllib.loads(conf.read_text())["engine"]["runtime"] == "runc"


@pytest.mark.parametrize(
    ("runtime", "controllers"), [("runc", "hugetlb\n"), ("crun", ""), ("crun", "\n")]
)
def test_another_runtime_or_a_single_cgroup_version_is_accepted(
    machine: Machine, runtime: str, controllers: str
) -> None:
    machine.remove("sys/fs/cgroup/cgroup.controllers")
    machine.write("sys/fs/cgroup/unified/cgroup.controllers", controllers)
    findings = examined(machine, {"podman": Podman(oci_runtime=runtime, cgroup_version="1")})
    assert "runtime" not in by_name(findings)
    assert findings.usable


def test_vfs_on_an_old_kernel_needs_a_program_too(machine: Machine) -> None:
    podman = Podman(storage_driver="vfs", kernel="5.10.0-8-amd64")
    check = by_name(examined(machine, {"podman": podman}))["storage"]
    assert check.fix[0] == "sudo apt-get install -y fuse-overlayfs"


def test_vfs_of_rootful_podman_is_fixed_by_root(machine: Machine) -> None:
    podman = Podman(storage_driver="vfs", rootless=False)
    check = by_name(examined(machine, {"podman": podman}))["storage"]
    assert check.fix[0] == "sudo podman system reset"
    assert check.fix[1].endswith("| sudo tee /etc/containers/storage.conf")


@pytest.mark.parametrize("engine", [FakeBackend(name="docker"), Podman(remote=True)])
def test_vfs_elsewhere_is_reported_as_slow(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, engine: FakeBackend
) -> None:
    monkeypatch.setattr(engine, "details", lambda: EngineDetails(storage_driver="vfs"))
    name = engine.info.backend
    check = by_name(examined(machine, {name: engine}, flag=name))["storage"]
    assert (check.status, check.fix) == ("warn", ())
    assert "slow" in check.text


def test_an_engine_that_does_not_report_its_details_is_a_warning(machine: Machine) -> None:
    podman = Podman()
    podman.fail("details", EngineError("something broke"))
    findings = examined(machine, {"podman": podman})
    assert by_name(findings)["storage"].status == "warn"
    assert findings.usable


@pytest.mark.parametrize("by_variable", [True, False])
def test_the_base_image_is_looked_up_under_its_full_name(
    machine: Machine, by_variable: bool
) -> None:
    podman = Podman()
    podman.add_image("docker.io/library/python:3.12-slim")
    named = None if by_variable else "python:3.12-slim"
    if by_variable:
        machine.environ["BUILDR_BASE_IMAGE"] = "python:3.12-slim"
    check = by_name(examined(machine, {"podman": podman}, base_image=named))["base image"]
    assert check.text == "docker.io/library/python:3.12-slim is stored"


def test_every_engine_is_closed(machine: Machine) -> None:
    engines = {"podman": Podman(), "docker": FakeBackend()}
    examined(machine, engines)
    assert [engine.closed for engine in engines.values()] == [True, True]


# Detection ----------------------------------------------------------------------------------------


def test_inside_a_container_the_evidence_and_the_override_are_shown(machine: Machine) -> None:
    machine.environ["container"] = "podman"
    check = by_name(examined(machine, {"podman": Podman()}))["detection"]
    assert check.status == "warn"
    assert "container=podman is in the environment" in check.text
    assert check.fix == ("export BUILDR_IN_CONTAINER=0",)


def test_an_ignored_variable_is_shown(machine: Machine) -> None:
    machine.environ["BUILDR_IN_CONTAINER"] = "maybe"
    check = by_name(examined(machine, {"podman": Podman()}))["detection"]
    assert check.status == "warn"
    assert "'maybe'" in check.text


# The report ---------------------------------------------------------------------------------------

CHECKS = (
    Check(name="engine", status="ok", text="podman 5.4.2, rootless"),
    Check(name="network", status="warn", text="word " * 30, fix=("sudo " + "x" * 90, "then this")),
    Check(name="podman", status="fail", text="it is not there", advice="Install it.\nOr another."),
)
FINDINGS = Findings(host="Debian", engine="podman", checks=CHECKS)


def test_the_report_has_marks_texts_commands_and_a_verdict() -> None:
    lines = list(report.lines(FINDINGS, width=80))
    assert lines[0].startswith("buildr ")
    assert lines[2] == "ok    engine           podman 5.4.2, rootless"
    assert lines[3].startswith("warn  network          word word")
    assert "      fix: then this" in lines
    assert lines[-5:-2] == [
        "fail  podman           it is not there",
        "      Install it.",
        "      Or another.",
    ]
    assert lines[-1].startswith("Scripts cannot run in containers here: podman answers, but")


@pytest.mark.parametrize(
    ("checks", "end"), [(CHECKS[:1], "podman."), (CHECKS[:2], "podman, with 1 warning.")]
)
def test_warnings_do_not_make_the_verdict_a_failure(checks: tuple[Check, ...], end: str) -> None:
    findings = Findings(host="Debian", engine="podman", checks=checks)
    assert findings.usable
    verdict = list(report.lines(findings, width=80))[-1]
    assert verdict == f"Scripts can run in containers here, by {end}"


def test_text_fits_the_terminal_and_commands_are_not_wrapped() -> None:
    lines = list(report.lines(FINDINGS, width=60))
    assert "      fix: sudo " + "x" * 90 in lines
    assert max(len(line) for line in lines if "fix:" not in line and line is not lines[-1]) <= 60


def test_without_an_engine_the_verdict_says_so() -> None:
    findings = Findings(host="Debian", engine=None, checks=CHECKS)
    assert list(report.lines(findings, width=80))[-1].startswith("Scripts cannot run")


def test_the_json_has_every_check_and_the_verdict() -> None:
    found = json.loads(report.as_json(FINDINGS))
    assert (found["usable"], found["engine"], len(found["checks"])) == (False, "podman", 3)
    assert found["checks"][1]["fix"][1] == "then this"


def test_a_refused_cache_folder_is_reported(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert "cache" not in by_name(examined(machine, {"podman": Podman()}))
    (tmp_path / "caches" / "buildr").mkdir(parents=True)
    assert "cache" not in by_name(examined(machine, {"podman": Podman()}))
    (tmp_path / "caches" / "buildr").chmod(0o777)
    check = by_name(examined(machine, {"podman": Podman()}))["cache"]
    assert check.status == "warn"
    assert check.text.endswith("caches/buildr is refused, others may write there")
