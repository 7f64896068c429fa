#!/usr/bin/env bash
# Runs commands in a bare Debian 12 with a clean clone of this repository; see --help.
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<TEXT
usage: tests/bare-debian.sh [--output FILE] [--keep DIR] [COMMAND]...

Makes a Debian 12 root with mmdebstrap --variant=minbase in a temporary folder, clones the committed tree into it, and
runs each COMMAND (default: "jobs/quickstart.sh" and "tests/run.sh") in a fresh shell at the clone's top, as root and
with nothing but what the root holds. The host lends its name resolution, certificates, pip's configuration and the
download caches; shared/ beside the repository, where there is one, lies beside the clone. A summary (system, commands,
exit codes, seconds, last lines) goes to FILE (default: standard output). The root is removed at the end.

  --output FILE  where the summary goes
  --keep DIR     use DIR for the root, keep it, and use it again the next time

Needs root and mmdebstrap. Exit code: that of the first command that failed, else 0.
TEXT
}

output=/dev/stdout keep='' commands=()
while (($#)); do
  case $1 in
    --output) output=${2:?--output needs a file}; shift 2 ;;
    --keep) keep=${2:?--keep needs a folder}; shift 2 ;;
    --help | -h) usage; exit 0 ;;
    -*) echo "bare-debian: unknown option \"$1\"; see --help" >&2; exit 2 ;;
    *) commands+=("$1"); shift ;;
  esac
done
((${#commands[@]})) || commands=(jobs/quickstart.sh tests/run.sh)
[[ $(id -u) == 0 ]] || { echo "bare-debian: needs root" >&2; exit 2; }
command -v mmdebstrap >/dev/null || { echo "bare-debian: mmdebstrap is missing (Debian: mmdebstrap)" >&2; exit 2; }

# A mount and a process namespace of our own: what is mounted or started below ends with this script.
if [[ -z ${TERRAMILL_BARE_INSIDE:-} ]]; then
  work=${keep:-$(mktemp -d "${TMPDIR:-/tmp}/terramill-bare.XXXXXX")}
  mkdir -p "$work"
  remove() { [[ -n $keep ]] || rm -rf --one-file-system "$work"; }
  trap remove EXIT
  # Debian's /tmp may be closed to others below a private folder; apt drops its privileges.
  chmod 755 "$work"
  set -m  # else what runs in the background would ignore SIGINT, and the commands' tests with it
  TERRAMILL_BARE_INSIDE=$work unshare --mount --pid --fork --kill-child --propagation private \
    "${BASH_SOURCE[0]}" --output "$output" "${commands[@]}" </dev/null &
  child=$!
  set +m
  # unshare lets TERM and INT pass. The kernel ends all of a process namespace with its first process, and only then
  # does unshare end: nothing runs in the root when it is removed.
  stop() {
    local first
    trap '' INT TERM HUP
    first=$(cat "/proc/$child/task/$child/children" 2>/dev/null) || true
    # shellcheck disable=SC2086
    kill -KILL ${first:-"$child"} 2>/dev/null || true
    wait "$child" || true
    exit "$1"
  }
  trap 'stop 130' INT
  trap 'stop 143' TERM
  trap 'stop 129' HUP
  code=0
  wait "$child" || code=$?
  exit "$code"
fi
work=$TERRAMILL_BARE_INSIDE
root=$work/root

if [[ ! -e $root/etc/debian_version ]]; then
  echo "bare-debian: making the root in $root"
  mmdebstrap --quiet --variant=minbase bookworm "$root"
fi
packages=$(chroot "$root" dpkg-query -W | wc -l)

rm -rf "$root/srv/terramill"
git -c safe.directory='*' clone --quiet --no-hardlinks "file://$source_dir" "$root/srv/terramill"
commit=$(git -c safe.directory='*' -C "$source_dir" rev-parse --short HEAD)

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for file in /etc/resolv.conf /etc/hosts; do
  cp -L "$file" "$root$file"
done
[[ -e /etc/pip.conf ]] && cp -L /etc/pip.conf "$root/etc/pip.conf"
environment=(HOME=/srv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
if [[ -e /etc/ssl/certs/ca-certificates.crt ]]; then
  # Under a name of its own: the package ca-certificates writes the usual one anew.
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/srv/host-certificates.crt"
  environment+=(PIP_CERT=/srv/host-certificates.crt)
fi
cache=${TERRAMILL_CACHE:-$HOME/.cache/terramill}
for name in apt wheels; do
  mkdir -p "$cache/$name" "$root/srv/.cache/terramill/$name"
  mount --bind "$cache/$name" "$root/srv/.cache/terramill/$name"
done
if [[ -d $source_dir/../shared ]]; then
  mkdir -p "$root/srv/shared"
  mount --rbind -o ro "$source_dir/../shared" "$root/srv/shared"
fi

while read -r variable; do
  environment+=("$variable=${!variable}")
done < <(compgen -e | grep -iE '^(PIP_(INDEX_URL|EXTRA_INDEX_URL|DEFAULT_TIMEOUT)|(https?|no)_proxy)$' || true)

summary=$work/summary.txt
{
  echo "system    Debian $(cat "$root/etc/debian_version"), $packages packages (mmdebstrap --variant=minbase), $(uname -m)"
  echo "kernel    $(uname -r), $(nproc) cores, $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)"
  echo "commit    $commit"
} >"$summary"
first_failure=0
for command in "${commands[@]}"; do
  echo "bare-debian: $command"
  start=$SECONDS code=0
  chroot "$root" env -i "${environment[@]}" bash -c "cd /srv/terramill && $command" </dev/null >"$work/log.txt" 2>&1 || code=$?
  tail -n 40 "$work/log.txt"
  {
    echo
    echo "\$ $command"
    tail -n 12 "$work/log.txt" | sed 's/^/    /'
    echo "exit code $code after $((SECONDS - start)) s"
  } >>"$summary"
  if ((code != 0)); then
    first_failure=$code
    break
  fi
done
cat "$summary" >"$output"
exit "$first_failure"
