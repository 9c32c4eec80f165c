# Sourced by the commands: makes `.venv` from pinned requirements, once, and says what it does.
#
#   . scripts/setup.sh
#   setup requirements.txt          sets PROJECT and PYTHON (the one of .venv)
#
# It needs python3.11 or newer and nothing else: Debian's python3 comes without pip and without the
# means to make one, so both are fetched where they lack, with root or without. What was made from
# which requirements is written down last, so an interrupted run is taken up by the next one, and
# two runs at once wait for each other.

PROJECT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV="$PROJECT/.venv"
PYTHON="$VENV/bin/python"
# The commands are modules of the project, whatever folder they are called from.
export PYTHONPATH="$PROJECT"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
# A virtual environment that happens to be active has no say in this one.
unset PYTHONHOME VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_USER

say() { printf '%s\n' "$*" >&2; }

die() { say "$*"; exit 1; }

# The Python to make the environment with: the one that the pins were tried on, else a newer one.
base_python() {
    local name
    for name in ${FLEET_PYTHON:-} python3.11 python3 python3.12 python3.13; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s' "$name"
            return
        fi
    done
    return 1
}

# A pip for an environment that has none: Debian keeps it in a package of its own.
bootstrap_pip() {
    local wheels=/usr/share/python-wheels folder="$VENV/debian"
    if ! compgen -G "$wheels/pip-*.whl" >/dev/null; then
        "$PROJECT/scripts/apt.sh" unpack "$folder" python3-pip-whl ||
            die "Python here has no pip and no ensurepip: install python3-venv and come back."
        wheels="$folder$wheels"
    fi
    local wheel
    wheel=$(compgen -G "$wheels/pip-*.whl" | head -n 1)
    "$PYTHON" "$wheel/pip" --quiet install --no-index "$wheel" >&2
    rm -rf "$folder"
}

make_environment() {
    local python
    if ! python=$(base_python); then
        say "Python 3.11 or newer is not here, fetching it."
        "$PROJECT/scripts/apt.sh" install python3 python3-venv ||
            die "Python 3.11 or newer is needed (apt-get install python3 python3-venv)."
        python=$(base_python) || die "This system's python3 is older than 3.11."
    fi
    say "Making .venv with $("$python" --version)"
    rm -rf "$VENV"
    if "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        "$python" -m venv "$VENV" >&2
    else
        "$python" -m venv --without-pip "$VENV" >&2
        bootstrap_pip
    fi
}

# setup FILE: everything that FILE (a requirements.txt) names is in .venv when it returns.
setup() {
    local requirements="$PROJECT/$1" made="$VENV/made-from-${1//\//-}" wanted lock
    wanted=$(cd "$PROJECT" && printf '%s\n' "$PROJECT" && cat requirements.txt "$1")
    if [ -x "$PYTHON" ] && [ "$(cat "$made" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    exec {lock}<"$PROJECT"
    flock "$lock"
    if [ "$(cat "$made" 2>/dev/null)" != "$wanted" ]; then
        # Half made, of a Python that is gone, or moved with its folder: made anew.
        if [ "$(cat "$VENV/made-at" 2>/dev/null)" != "$PROJECT" ] ||
            ! "$PYTHON" -m pip --version >/dev/null 2>&1; then
            make_environment
            printf '%s\n' "$PROJECT" >"$VENV/made-at"
        fi
        say "Installing $1"
        "$PYTHON" -m pip install --progress-bar off --requirement "$requirements" 2>&1 |
            { grep -Ev '^(Requirement already satisfied|Ignoring )' || true; } >&2
        printf '%s\n' "$wanted" >"$made"
    fi
    exec {lock}<&-
}
