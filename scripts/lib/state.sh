# shellcheck shell=sh
# shellcheck disable=SC2154 # state, run, here and the like come from scripts/engines
# The file engines.json, which lists what is up, and running commands as an engine's user.

# fragment NAME BACKEND USER|- UID HOME [VARIABLE=VALUE...] : records an engine for engines.json.
fragment() {
    mkdir -p "$state/up"
    python3 - "$@" >"$state/up/$1.json" <<'END'
import json, sys
name, backend, user, uid, home, *environ = sys.argv[1:]
json.dump(
    {
        name: {
            "backend": backend,
            "user": None if user == "-" else user,
            "uid": int(uid),
            "home": home,
            "environ": dict(pair.split("=", 1) for pair in environ),
        }
    },
    sys.stdout,
)
END
}

# True if engines.json is from the current boot.
is_up() {
    [ -s "$state/engines.json" ] && [ "$(cat "$state/up/boot" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ]
}

# begin_empty ENGINE DIRECTORY... : removes what earlier tests left in a store of ours, unless that engine is up. To
# list a few images an engine reads all that it stores: with a thousand of them each test takes twice as long.
begin_empty() {
    if is_up && [ -s "$state/up/$1.json" ]; then
        return 0
    fi
    shift
    for directory in "$@"; do
        unmount_below "$directory"
        rm -rf "$directory"
    done
}

# Writes engines.json from the fragments, the registries and the name of the base image.
write_state() {
    # shellcheck disable=SC2046 # two numbers
    set -- $(registry_ports)
    registries_run || set -- "" ""
    python3 - "$state" "$("$here/offline-base" --tag)" "$1" "$2" <<'END'
import json, os, pathlib, sys
state = pathlib.Path(sys.argv[1])
base_image, open_port, password_port = sys.argv[2:]
engines = {}
for fragment in sorted((state / "up").glob("*.json")):
    if fragment.stem == "podman":  # the caller's own Podman is not a test engine
        continue
    engines |= json.loads(fragment.read_text())
registries = {}
if open_port:
    registries = {
        "open": f"127.0.0.1:{open_port}",
        "password": {
            "address": f"127.0.0.1:{password_port}",
            "user": "buildr",
            "password": (state / "registry" / "secret").read_text(),
        },
    }
text = json.dumps({"base_image": base_image, "engines": engines, "registries": registries}, indent=2)
(state / "engines.json.new").write_text(text + "\n")
os.replace(state / "engines.json.new", state / "engines.json")
END
    mkdir -p "$state/up"
    cat /proc/sys/kernel/random/boot_id >"$state/up/boot"
}

left_out() {
    say "left out: $1: $2"
    rm -f "$state/up/$1.json"
}

# answers ENGINE COMMAND... : fails unless the engine's own command works in its environment.
answers() {
    engine=$1
    shift
    log=$(mktemp)
    if ! run_as "$engine" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log" "$state/up/$engine.json"
        die "$engine does not work: '$*' failed (see above)."
    fi
    rm -f "$log"
}

# run_as ENGINE COMMAND [ARGUMENT...] : runs in the current directory if that user can enter it, else in the user's
# home.
run_as() {
    engine=$1
    shift
    [ -s "$state/up/$engine.json" ] || die "$engine is not up. Run: scripts/engines up $engine"
    python3 - "$state/up/$engine.json" "$@" <<'END'
import json, os, pwd, sys
(engine,) = json.load(open(sys.argv[1])).values()
environ = dict(os.environ)
if engine["user"]:
    # Root's settings must not reach another user's programs, except for proxies and certificate files.
    kept = ("LANG", "LC_", "TERM", "TZ", "PIP_", "SSL_CERT", "BUILDR_", "COVERAGE_")
    kept += ("http_", "https_", "no_", "HTTP_", "HTTPS_", "NO_")
    environ = {name: value for name, value in environ.items() if name.startswith(kept)}
    account = pwd.getpwnam(engine["user"])
    os.initgroups(account.pw_name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
environ |= engine["environ"]
try:
    os.listdir(os.getcwd())  # by its full path: the user may not be able to enter a parent
except OSError:
    os.chdir(engine["home"])
os.execvpe(sys.argv[2], sys.argv[2:], environ)
END
}
