# shellcheck shell=bash
# Sourced by the scripts of scaling experiments: layouts by name, tpN or tpN+zero.

# The options of `terramill bench` for a layout, a word per line; nothing, and a message, for another name.
terramill_layout_options() {
  if [[ ! $1 =~ ^tp([1-9][0-9]*)(\+zero)?$ ]]; then
    echo "terramill: \"$1\" is no layout: give tpN or tpN+zero, e.g. tp1 or tp2+zero" >&2
    return 2
  fi
  printf '%s\n' --bench.tp "${BASH_REMATCH[1]}" --bench.zero "$([[ ${BASH_REMATCH[2]} ]] && echo on || echo off)"
}

# Whether so many ranks can be laid out so; says why not.
terramill_layout_fits() {
  local tp=${1#tp}
  tp=${tp%+zero}
  (($2 % tp == 0)) || { echo "terramill: $1 is left out on $2 ranks, which $tp does not divide"; return 1; }
}
