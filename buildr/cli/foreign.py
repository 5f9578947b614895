"""Flags and commands of docker, podman and uv, and their equivalents here."""

from __future__ import annotations

COMMANDS = {
    "attach": "logs -f",
    "create": "build",
    "inspect": "ps --json",
    "kill": "stop --grace-seconds 0",
    "list": "ps",
    "ls": "ps",
    "rm": "stop",
    "rmi": "prune",
    "start": "run",
}
"""Commands of container engines, and what does the same to runs."""

FLAGS = {
    "-P": "Name the ports: --port PORT.",
    "--publish-all": "Name the ports: --port PORT.",
    "-w": "The script starts in the directory that corresponds to the current one: `cd` there first.",
    "--workdir": "The script starts in the directory that corresponds to the current one: `cd` there first.",
    "--entrypoint": "For another command in the container: `buildr shell SCRIPT -- COMMAND`.",
    "--cap-add": "There is no such option; --device and --gpus give access to hardware.",
    "--privileged": "There is no such option; --device and --gpus give access to hardware.",
    "--cap-drop": "--hardened drops all capabilities.",
    "--read-only": "--hardened mounts the root directory read-only.",
    "--security-opt": "--hardened drops all capabilities; no-new-privileges is always on.",
    "--net": "Use --network.",
    "--hostname": "For a name in a network: --network NAME:alias=NAME.",
    "--add-host": "In the container this host is host.containers.internal.",
    "--file": "For a Containerfile of your own: --dockerfile FILE.",
    "-f": "For a Containerfile of your own: --dockerfile FILE.",
    "--build-arg": "Write it into a Containerfile of your own (--dockerfile); for a secret: --secret.",
    "--label": "Labels belong in a Containerfile of your own: --dockerfile.",
    "-l": "Labels belong in a Containerfile of your own: --dockerfile.",
    "--platform": "Images are for the platform of the engine that builds them.",
    "--cidfile": "--detach prints the id of the run.",
    "--link": "Use --network.",
    "--volumes-from": "Name the volumes: --mount NAME:DEST.",
    "--with": "Use --dependency REQUIREMENT, which is installed in place of what a file names.",
    "--with-requirements": "Use --dependencies-file FILE.",
    "--requirement": "Use --dependencies-file FILE.",
    "-r": "Use --dependencies-file FILE.",
    "--python": "Use --py-version VERSION.",
    "--image": "Use --base-image IMAGE.",
    "--background": "Use --detach.",
    "--follow": "`buildr logs --follow RUN` does.",
}
"""Flags of others that no command here has; each with what to do in its place."""
