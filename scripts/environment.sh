# Sourced by the other scripts: makes .venv from requirements.lock, once per state of the lock.
# PYTHON names the interpreter to start from (3.11 or newer).

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "gt_workflow needs Python 3.11 or newer; set PYTHON to one (found: $("$python" --version 2>&1))" >&2
  exit 2
fi

if ! cmp -s requirements.lock .venv/requirements.lock || ! cmp -s pyproject.toml .venv/pyproject.toml; then
  echo "making .venv from requirements.lock ..." >&2
  rm -rf .venv
  "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
  # Last, so that an interrupted installation is made anew.
  cp pyproject.toml requirements.lock .venv/
fi
PATH="$PWD/.venv/bin:$PATH"
export PATH
