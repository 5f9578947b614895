"""The options of the commands, most of which the decorator has, too.

A parameter is named for the field that it sets, ``package__py_version``: see `buildr.cli.values`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.cli.command import option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.decorators import FC

BUILD = "Build options"
IMAGE = "Image options"
CONTAINER = "Container options"


def options(*groups: Sequence[Callable[[FC], FC]]) -> Callable[[FC], FC]:
    """Declare groups of options, shown in this order."""

    def decorate(command: FC) -> FC:
        for group in reversed(groups):
            for declare in reversed(group):
                command = declare(command)
        return command

    return decorate


module_option = (
    option("-m", "module", metavar="MODULE", help="A module instead, as `python -m` finds it."),
)

build_options = (
    option(
        "--py-version",
        "package__py_version",
        metavar="VERSION",
        section=BUILD,
        help="Python of the image, such as 3.12.  [default: what the project asks for, else 3]",
    ),
    option(
        "--variant",
        "package__variant",
        metavar="NAME",
        section=BUILD,
        help="Variant of the Python image, such as slim.  [default: alpine]",
    ),
    option(
        "--base-image",
        "package__base_image",
        metavar="IMAGE",
        section=BUILD,
        help="Another base image, with a Python in it.",
    ),
    option(
        "--context",
        "package__context",
        metavar="DIRECTORY",
        section=BUILD,
        help="What is sent to the build.  [default: the root of the script's project]",
    ),
    option(
        "--dependencies-file",
        "package__dependencies_file",
        metavar="FILE",
        section=BUILD,
        help="What to install.  [default: requirements.txt, else the script's inline metadata, a lock, or pyproject.toml]",
    ),
    option(
        "--dependency",
        "package__dependencies",
        metavar="REQUIREMENT",
        multiple=True,
        section=BUILD,
        help="What to install, in place of any file; repeatable.",
    ),
    option(
        "--extra",
        "package__extras",
        metavar="NAME",
        multiple=True,
        section=BUILD,
        help="Install an extra of the project, too; repeatable.",
    ),
    option(
        "--group",
        "package__groups",
        metavar="NAME",
        multiple=True,
        section=BUILD,
        help="Install a dependency group, too; repeatable.",
    ),
    option(
        "--system-package",
        "package__system_packages",
        metavar="NAME",
        multiple=True,
        section=BUILD,
        help="Install a package of the base image's system, with apk or apt; repeatable.",
    ),
    option(
        "--additional-file",
        "package__additional_files",
        metavar="SRC:DEST[:MODE]",
        multiple=True,
        section=BUILD,
        help="One more file or directory for the image; repeatable.",
    ),
    option(
        "--secret",
        "package__secrets",
        metavar="id=ID,src=FILE",
        multiple=True,
        section=BUILD,
        help="What the installation may see and the image does not: id=…,src=FILE, id=…,env=VARIABLE, or"
        " pip (what pip is told on this host); repeatable.",
    ),
    option(
        "--user",
        "package__user",
        metavar="root",
        section=BUILD,
        help="Run as root inside, not as uid 1000.",
    ),
)

image_options = (
    option(
        "--dockerfile",
        "package__dockerfile",
        metavar="FILE",
        section=BUILD,
        help="A Containerfile of your own, built as it is.",
    ),
    option(
        "--pull",
        "package__pull",
        is_flag=True,
        section=BUILD,
        help="Ask the registry for a newer base image.  [default: pull only what is not stored]",
    ),
    option(
        "--include-secrets",
        "package__include_secrets",
        is_flag=True,
        section=BUILD,
        help="Send files, too, that look like secrets.",
    ),
    option(
        "--name",
        "package__name",
        metavar="NAME",
        section=IMAGE,
        help="Name of the image.  [default: the script's]",
    ),
    option(
        "--tag",
        "package__tag",
        metavar="TAG",
        section=IMAGE,
        help="Tag of the image.  [default: latest]",
    ),
    option(
        "--repository",
        "package__repository",
        metavar="REPOSITORY",
        section=IMAGE,
        help="Where the image belongs, such as registry.example.org/me.",
    ),
)

wheel_cache_option = (
    option(
        "--wheel-cache",
        "package__wheel_cache",
        is_flag=True,
        section=BUILD,
        help="Keep downloads and built wheels for the next installation.",
    ),
)

publish_option = (
    option(
        "--push",
        "--publish",
        "package__publish",
        is_flag=True,
        section=IMAGE,
        help="Push the image, with the logins of podman and docker.",
    ),
)

container_options = (
    option(
        "-p",
        "--port",
        "runtime__ports",
        metavar="[HOST:]PORT",
        multiple=True,
        section=CONTAINER,
        help="Publish a port on 127.0.0.1; repeatable. Also IP:HOST:PORT, ranges, and /udp at the end.",
    ),
    option(
        "--public",
        "runtime__public",
        is_flag=True,
        section=CONTAINER,
        help="Publish ports on every address of this machine.",
    ),
    option(
        "-e",
        "--env",
        "runtime__env",
        metavar="NAME[=VALUE]",
        multiple=True,
        section=CONTAINER,
        help="Set a variable, or pass the value it has here; repeatable.",
    ),
    option(
        "--env-file",
        "runtime__env_file",
        metavar="FILE",
        multiple=True,
        section=CONTAINER,
        help="Set the variables that a file (.env) names; --env comes before it; repeatable.",
    ),
    option(
        "-v",
        "--mount",
        "runtime__mounts",
        metavar="SRC:DEST[:ro]",
        multiple=True,
        section=CONTAINER,
        help="Show the script a directory or file (./data) or a volume (data); repeatable.",
    ),
    option(
        "--tmpfs",
        "runtime__tmpfs",
        metavar="DEST[:size=SIZE]",
        multiple=True,
        section=CONTAINER,
        help="A directory in memory; repeatable.",
    ),
    option(
        "--cpus",
        "runtime__cpus",
        metavar="NUMBER",
        section=CONTAINER,
        help="How many CPUs it may use, such as 1.5.",
    ),
    option(
        "--memory",
        "runtime__memory",
        metavar="SIZE",
        section=CONTAINER,
        help="How much memory it may use, such as 512m.",
    ),
    option(
        "--shm-size",
        "runtime__shm_size",
        metavar="SIZE",
        section=CONTAINER,
        help="How large /dev/shm is.  [default: 64m]",
    ),
    option(
        "--network",
        "runtime__network",
        metavar="NAME[:alias=X]",
        multiple=True,
        section=CONTAINER,
        help="A network of the engine, repeatable; none, or host (the guest shares this host's).",
    ),
    option(
        "--pids-limit",
        "runtime__pids_limit",
        metavar="NUMBER",
        section=CONTAINER,
        help="How many processes and threads it may have.",
    ),
    option(
        "--ulimit",
        "runtime__ulimits",
        metavar="NAME=SOFT[:HARD]",
        multiple=True,
        section=CONTAINER,
        help="A limit of each process, such as nofile=1024:4096; repeatable.",
    ),
    option(
        "--device",
        "runtime__devices",
        metavar="PATH",
        multiple=True,
        section=CONTAINER,
        help="A device of this host, /dev/fuse, or a CDI name, vendor.com/class=name; repeatable.",
    ),
    option(
        "--gpus",
        "runtime__gpus",
        metavar="all|NUMBER|device=ID,…",
        section=CONTAINER,
        help="NVIDIA GPUs: all, how many, or which.",
    ),
    option(
        "--hardened",
        "runtime__hardened",
        is_flag=True,
        section=CONTAINER,
        help="Drop all capabilities; root directory read-only.",
    ),
    option(
        "--live",
        "runtime__mount_source",
        is_flag=True,
        section=CONTAINER,
        help="Mount the source instead of copying it: changes show at once, on both sides.",
    ),
    option(
        "--debug",
        "runtime__debug",
        metavar="[HOST:]PORT",
        section=CONTAINER,
        help="Wait for a debugger, debugpy's, on a port of 127.0.0.1.",
    ),
    option(
        "--keep",
        "runtime__keep",
        is_flag=True,
        section=CONTAINER,
        help="Leave the container if the script fails, and say how to look into it.",
    ),
    option(
        "-d",
        "--detach",
        "runtime__detach",
        is_flag=True,
        section=CONTAINER,
        help="Start it, print the id of the run, and end: see buildr ps, logs and stop.",
    ),
    option(
        "--health-cmd",
        "runtime__healthcheck",
        metavar="COMMAND",
        section=CONTAINER,
        help="A line for sh that ends with 0 while the container is well; asked every 30 seconds.",
    ),
    option(
        "--restart",
        "runtime__restart",
        metavar="POLICY",
        section=CONTAINER,
        help="With --detach: on-failure[:N], always or unless-stopped starts it again.  [default: no]",
    ),
    option(
        "--wait-for",
        "runtime__wait_for",
        metavar="CONDITION",
        multiple=True,
        section=CONTAINER,
        help="With --detach: wait until port:N, http:N/path, log:REGEX or healthy; repeatable.",
    ),
    option(
        "--wait-seconds",
        "runtime__wait_seconds",
        metavar="SECONDS",
        section=CONTAINER,
        help="How long --wait-for waits, until it gives up and removes the container.  [default: 60]",
    ),
    option(
        "--grace-seconds",
        "runtime__grace_seconds",
        metavar="SECONDS",
        section=CONTAINER,
        help="From Ctrl+C until it is killed.  [default: 10]",
    ),
    option(
        "--interrupt",
        "runtime__interrupt",
        metavar="host|guest",
        section=CONTAINER,
        help="Ctrl+C stops the container (host), or is passed to the script (guest).  [default: host]",
    ),
    option(
        "--container-name",
        "runtime__name",
        metavar="NAME",
        section=CONTAINER,
        help="Name of the container.  [default: the engine chooses]",
    ),
)

backend_option = (
    option(
        "--backend",
        metavar="NAME",
        help="podman, docker or auto.  [default: $BUILDR_BACKEND, else auto]",
    ),
)

builder_option = (
    option(
        "--builder",
        "package__builder",
        metavar="NAME",
        help="The engine that builds, if another one runs; needs --push.  [default: --backend]",
    ),
)

watch_option = (
    option(
        "--watch",
        "watch",
        is_flag=True,
        help="Run again whenever a file changes that is sent to the build, or what decides options.",
    ),
)

output_options = (
    option("--verbose", "package__verbose", is_flag=True, help="Show all output of a build."),
    option("-q", "--quiet", "package__quiet", is_flag=True, help="Say nothing but errors."),
)
