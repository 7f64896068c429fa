#!/usr/bin/env bash
# Makes this machine ready to build, run and test Terramill; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"

least_python=3.11  # which the pinned wheels of Arrow and of the tests' clients need

usage() {
  cat <<TEXT
usage: jobs/setup.sh [--check] [--no-tests]

Brings this machine to the state in which jobs/build.sh works: Debian packages, and LibTorch, Arrow and the tests'
Python clients in $TERRAMILL_VENV. What is there stays; when all is there, nothing is
downloaded and this takes a second. Downloads are kept under $TERRAMILL_CACHE.

As root on Debian 12 it installs packages. Anyone else gets what modules, conda or an administrator provide: everything
is looked for on the PATH, by the compiler, by pkg-config and below \$CMAKE_PREFIX_PATH, and what is missing is listed with
the name of its Debian package. Python is python3 of the PATH (on Debian 12 the system's); it must be $least_python or newer.

  --check      change nothing; say what is missing
  --no-tests   leave out what only the tests need (GoogleTest, Slurm, Python clients)

  TERRAMILL_CACHE      where downloads and the Python environment go (~/.cache/terramill)
  TERRAMILL_TORCH_DIR  the \`torch\` folder of a LibTorch or PyTorch that is here already; it is used as it is

Exit codes: 0 ready, 1 an installation failed, 2 something is missing that this user cannot install.
TEXT
}

check_only=false tests=true
for argument in "$@"; do
  case $argument in
    --check) check_only=true ;;
    --no-tests) tests=false ;;
    --help | -h) usage; exit 0 ;;
    *) echo "setup: unknown option \"$argument\"; see --help" >&2; exit 2 ;;
  esac
done

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }
lists=("$here/requirements/debian-build.txt")
$tests && lists+=("$here/requirements/debian-test.txt")

# ---- Debian packages ------------------------------------------------------------------------------------------------

list_packages() { awk '!/^#/ && NF { print $1 }' "${lists[@]}"; }

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null | sed -n 's/^ii //p')
  list_packages | grep -vxF -f <(echo "$installed") || true
}

on_debian() { command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && grep -qs '^12' /etc/debian_version; }

install_packages() {
  local archives=$TERRAMILL_CACHE/apt policy=/usr/sbin/policy-rc.d own_policy=false status=0
  mkdir -p "$archives/partial"
  local apt=(apt-get -qq -o "Dir::Cache::archives=$archives" -o APT::Keep-Downloaded-Packages=true
             -o APT::Sandbox::User=root -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
  export DEBIAN_FRONTEND=noninteractive
  # The tests start Slurm's daemons themselves; the packages must not.
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && own_policy=true
  fi
  { "${apt[@]}" update && "${apt[@]}" install -y --no-upgrade --no-install-recommends "$@" >"$TERRAMILL_CACHE/apt.log"; } || status=$?
  if $own_policy; then rm -f "$policy"; fi
  ((status == 0)) || fail "apt-get failed (its log: $TERRAMILL_CACHE/apt.log). Check the network and /etc/apt, and run this again."
}

# ---- The same things where packages cannot be installed -----------------------------------------------------------

compiles() {
  local folders
  IFS=: read -ra folders <<<"${CMAKE_PREFIX_PATH:-}"
  folders=("${folders[@]/#/-I}")
  "${CXX:-c++}" -std=c++20 "${folders[@]/%//include}" -x c++ -fsyntax-only - <<<"#include <$1>" 2>/dev/null
}

have() {  # have KIND NAME
  case $1 in
    command) PATH=$PATH:/usr/sbin:/sbin command -v "$2" >/dev/null ;;
    header) compiles "$2" ;;
    pkg) command -v pkg-config >/dev/null && pkg-config --exists "$2" ;;
    python) "$python" -c "import $2" 2>/dev/null ;;
    hdf5)
      command -v h5pcc >/dev/null || command -v h5cc >/dev/null || compiles hdf5.h ||
        { command -v pkg-config >/dev/null && pkg-config --exists hdf5; } ;;
  esac
}

# Prints "package (kind name)" for what is missing: the needed on descriptor 1, the merely useful on descriptor 3.
look_for_everything() {
  local package kind name
  while read -r package kind name; do
    have "${kind#\?}" "$name" && continue
    if [[ $kind == \?* ]]; then echo "  $package (${kind#\?} $name)" >&3; else echo "  $package ($kind${name:+ $name})"; fi
  done < <(grep -hv '^#' "${lists[@]}")
}

# ---- Python -----------------------------------------------------------------------------------------------------------

# Debian's python3-venv belongs to Debian's Python; elsewhere a module's comes before the system's, which is often old.
python=/usr/bin/python3
on_debian && [[ -x $python ]] || python=$(command -v python3 || true)

# The Python of the environment, or else that of which it would be made, where it is too old; fails where it is not.
old_python() {
  local maker=$TERRAMILL_VENV/bin/python version
  [[ -x $maker ]] || maker=$python
  version=$("$maker" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || version=0
  ! printf '%s\n' "$least_python" "$version" | sort --version-sort --check=quiet && echo "$maker is Python $version"
}

toolkit_is_here() { command -v nvcc >/dev/null || [[ -x ${CUDA_HOME:-/usr/local/cuda}/bin/nvcc ]]; }

requirement_files() {
  if [[ -z $TERRAMILL_TORCH_DIR || $TERRAMILL_TORCH_DIR == "$TERRAMILL_VENV"/* ]]; then
    echo libtorch
    if toolkit_is_here; then echo cuda; fi
  fi
  echo arrow
  if $tests; then
    echo clients
    if toolkit_is_here; then echo torchgeo; fi
  fi
}

# The pinned requirements that the environment lacks, one a line.
missing_requirements() {
  local name files=()
  for name in $(requirement_files); do files+=("$here/requirements/$name.txt"); done
  ((${#files[@]})) || return 0
  if [[ ! -x $TERRAMILL_VENV/bin/python ]]; then
    grep -hv '^#' "${files[@]}"
    return
  fi
  "$TERRAMILL_VENV/bin/python" - "${files[@]}" <<'PYTHON'
import importlib.metadata, re, sys
canonical = lambda name: re.sub(r"[-_.]+", "-", name).lower()
have = {canonical(d.metadata["Name"]): d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}
for path in sys.argv[1:]:
    for line in open(path):
        name, _, version = line.strip().partition("==")
        if version and have.get(canonical(name)) != version:
            print(line.strip())
PYTHON
}

install_requirements() {
  if [[ ! -x $TERRAMILL_VENV/bin/python ]]; then
    say "making the Python environment $TERRAMILL_VENV"
    "$python" -m venv "$TERRAMILL_VENV" || fail "$python cannot make a virtual environment (Debian: python3-venv)."
  fi
  # Wheels are kept by ourselves: pip's own cache keeps nothing that an index marks as not to be stored.
  local wheels=$TERRAMILL_CACHE/wheels pip=("$TERRAMILL_VENV/bin/python" -m pip --quiet --disable-pip-version-check)
  mkdir -p "$wheels"
  local install=("${pip[@]}" install --no-deps --no-index --find-links "$wheels" "$@")
  "${install[@]}" 2>/dev/null && return
  "${pip[@]}" download --no-deps --find-links "$wheels" --dest "$wheels" "$@" && "${install[@]}" ||
    fail "pip failed. Check the network and pip's configuration, and run this again: what is downloaded is kept."
}

# LibTorch must load with the CUDA libraries that stand next to it.
libtorch_loads() {
  "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1/lib/libtorch_cpu.so"
}

# ---- In order ---------------------------------------------------------------------------------------------------------

mkdir -p "$TERRAMILL_CACHE"
if ! $check_only; then
  exec 9>"$TERRAMILL_CACHE/setup.lock"
  flock -n 9 || { say "waiting for another setup to end"; flock 9; }
fi
incomplete=false

packages=
on_debian && packages=$(missing_packages | xargs)
if on_debian && [[ -z $packages ]]; then
  say "$(list_packages | wc -l) Debian packages are installed"
elif on_debian && ! $check_only && [[ $(id -u) == 0 ]]; then
  say "installing $(wc -w <<<"$packages") Debian packages and what they need: $packages"
  # shellcheck disable=SC2086
  install_packages $packages
  python=/usr/bin/python3
else
  useful=$(mktemp)
  needed=$(look_for_everything 3>"$useful")
  if [[ -n $needed ]]; then
    incomplete=true
    echo "setup: missing, by the names of their Debian packages; load modules that provide them, or have them installed:" >&2
    echo "$needed" >&2
  else
    say "compiler, MPI, HDF5, GDAL and the libraries are here"
  fi
  if [[ -s $useful ]]; then
    say "useful, but not here:"
    cat "$useful"
  fi
  rm -f "$useful"
fi

requirements=$(missing_requirements)
if [[ -z $requirements ]]; then
  say "the Python environment is complete: $TERRAMILL_VENV"
elif [[ -n $python ]] && old=$(old_python); then
  incomplete=true
  {
    echo "setup: $old, and the packages of $TERRAMILL_VENV need $least_python or newer: load a module that"
    echo "  provides it as python3$([[ ! -e $TERRAMILL_VENV ]] || echo ", remove that folder") and run this again."
  } >&2
elif $check_only; then
  incomplete=true
  echo "setup: missing in $TERRAMILL_VENV; jobs/setup.sh installs them:" >&2
  echo "${requirements//$'\n'/ }" | fold -s -w 110 | sed 's/^/  /' >&2
elif [[ -z $python ]]; then
  incomplete=true
else
  say "installing $(wc -l <<<"$requirements") Python packages into $TERRAMILL_VENV$([[ $requirements != *torch==* ]] || echo '; LibTorch is large')"
  # shellcheck disable=SC2086
  install_requirements $requirements
  source "$here/env.sh"
  [[ -n $TERRAMILL_TORCH_DIR ]] || fail "LibTorch is not in $TERRAMILL_VENV; remove that folder and run this again."
  libtorch_loads "$TERRAMILL_TORCH_DIR" || fail "LibTorch does not load; remove $TERRAMILL_VENV and run this again."
fi

if ! toolkit_is_here; then
  say "no CUDA toolkit (nvcc): Terramill is built for CPUs alone$($tests && echo ', and the test with torchgeo is skipped')"
fi
if $incomplete; then exit 2; fi
say "ready"
