# Sourced by the other scripts: makes .venv from requirements.lock, once per state of the lock.
# PYTHON names the interpreter to start from (3.11 or newer).

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "gt_workflow needs Python 3.11 or newer; set PYTHON to one (found: $("$python" --version 2>&1))" >&2
  exit 2
fi

install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}
# What is copied into .venv tells what it was made of; last, so that an interrupted installation is
# made anew.
if ! cmp -s requirements.lock .venv/requirements.lock || ! cmp -s pyproject.toml .venv/pyproject.toml; then
  echo "making .venv from requirements.lock ..." >&2
  rm -rf .venv
  "$python" -m venv .venv
  install --require-hashes -r requirements.lock
  cp pyproject.toml requirements.lock .venv/
fi
if ! cmp -s gt_workflow/core/sieve.pyx .venv/sieve.pyx; then
  install --no-deps --no-build-isolation --editable .
  cp gt_workflow/core/sieve.pyx .venv/
fi
PATH="$PWD/.venv/bin:$PATH"
export PATH

# The worker page is tested in Debian's Chromium, its modules under Debian's node. What is missing is
# installed where that may be done; whether or not it could be, the caller goes on.
have_browser() {
  missing=""
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || missing="chromium fonts-dejavu-core"
  command -v node >/dev/null || missing="${missing:+$missing }nodejs"
  [ -n "$missing" ] || return 0
  as_root=""
  if ! command -v apt-get >/dev/null; then
    why="there is no apt-get"
  elif [ "$(id -u)" != 0 ] && ! { as_root="sudo -n" && sudo -n true; } 2>/dev/null; then
    why="only root may"
  else
    echo "installing $missing with apt-get, for the tests of the worker page ..." >&2
    why="apt-get failed"
    # shellcheck disable=SC2086
    if {
      $as_root apt-get -qq -o DPkg::Lock::Timeout=60 update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=60 \
          install --no-install-recommends $missing
    } </dev/null >/dev/null 2>&1; then return 0; fi
  fi
  echo "not installed: $missing ($why); tests that need them are skipped, or fail where CI is set" >&2
}
