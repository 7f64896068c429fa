# shellcheck shell=bash
# Sourced by jobs/supervise.sh: the nodes of the allocation, and which of them can take part. Outside Slurm there is one.
#
# `launcher`, an array, is the caller's; so are these:

scratch=/tmp            # a folder on every node
least_disk=64           # MiB that must be free in it
least_memory=256        # MiB that must be available
health_limit=60         # seconds that a check may take
banned=()               # nodes that are not to be used
declare -A heirs=()     # process ids of those who watch over the batch host, by node
session=''              # outside Slurm: the session of the ranks' processes

in_slurm() { [[ -n ${SLURM_JOB_ID:-} ]]; }

# A field of the job as scontrol shows it; nothing where the controller does not answer.
job_field() { scontrol --oneliner show job "$SLURM_JOB_ID" 2>/dev/null | head -n 1 | grep -o " $1=[^ ]*" | cut -d= -f2; }

# The controller may be restarted while the job runs; steps cannot start meanwhile.
wait_for_controller() {
  in_slurm || return 0
  local told=false
  until scontrol ping 2>/dev/null | grep -q ' UP'; do
    $told || say "waiting for Slurm's controller"
    told=true
    sleep 2
  done
}

# The nodes of the allocation as it is now, a line each: what Slurm gave up is not among them any more.
allocated_nodes() {
  in_slurm || { hostname; return; }
  local list
  list=$(squeue --noheader --job="$SLURM_JOB_ID" --format=%N 2>/dev/null | head -n 1)
  scontrol show hostnames "${list:-$SLURM_JOB_NODELIST}"
}

# Of the nodes given, those that Slurm takes for alive.
alive_nodes() {
  in_slurm || { printf '%s\n' "$@"; return; }
  local list
  printf -v list '%s,' "$@"
  sinfo --noheader --Node --nodes="${list%,}" --format='%N %T' | awk '$2 !~ /[*]|down|fail|not_resp|power/ { print $1 }' | sort -uV
}

# Runs a command once on each of the nodes: on_nodes "n1 n2" COMMAND…
on_nodes() {
  local nodes=$1 list
  shift
  in_slurm || { timeout --kill-after=5 "$health_limit" "$@"; return; }
  read -ra list <<<"$nodes"
  timeout --kill-after=5 "$health_limit" srun --mpi=none --overlap --quiet --kill-on-bad-exit=0 --nodes="${#list[@]}" \
    --ntasks="${#list[@]}" --ntasks-per-node=1 --cpus-per-task=1 --nodelist="${nodes// /,}" "$@" </dev/null
}

# The command that starts `ranks` ranks, equally many on each node: launch_words RANKS "n1 n2"; sets `words`.
launch_words() {
  local ranks=$1 nodes=$2 count per
  count=$(wc -w <<<"$nodes")
  per=$((ranks / count))
  words=("${launcher[@]}")
  if ! in_slurm; then
    words+=(-n "$ranks")
    return
  fi
  case ${launcher[0]##*/} in
    srun) words+=(--overlap --no-kill=off --nodes="$count" --ntasks="$ranks" --ntasks-per-node="$per" --nodelist="${nodes// /,}") ;;
    mpirun) words+=(-n "$ranks" --host "$(sed "s/ /:$per,/g; s/\$/:$per/" <<<"$nodes")") ;;
    *) words+=(-n "$ranks" -ppn "$per" -hosts "${nodes// /,}") ;;
  esac
}

# Whether a rank on each of the nodes reaches a rank on each other.
nodes_reach_each_other() {
  local words
  launch_words "$(wc -w <<<"$1")" "$1"
  SRUN_CPUS_PER_TASK=1 timeout --kill-after=5 "$health_limit" "${words[@]}" terramill doctor --ping >/dev/null 2>&1 </dev/null
}

# Of the nodes given, those whose disk, memory, GPUs and program are as they must be; says what is wrong with the others.
fit_nodes() {
  local here answers node
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  local check=(bash "$here/node-health.sh" "$scratch" "$least_disk" "$least_memory" "${SLURM_GPUS_ON_NODE:-0}")
  answers=$(on_nodes "$*" "${check[@]}" 2>/dev/null)
  for node in "$@"; do
    # One node that does not answer may have kept the others from it: ask each of these alone.
    in_slurm && ! grep -q "^$node " <<<"$answers" && answers+=$'\n'$(on_nodes "$node" "${check[@]}" 2>/dev/null)
    if ! in_slurm; then node=$(hostname); fi
    if grep -q "^$node ok$" <<<"$answers"; then
      echo "$node"
    else
      say "unhealthy: $(grep "^$node " <<<"$answers" || echo "$node does not answer")" >&2
    fi
  done
}

# Of the nodes given, the most that reach each other: pairs with the first tell who is cut off.
connected_nodes() {
  local nodes=("$@") first node kept jobs
  while ((${#nodes[@]} > 1)); do
    if nodes_reach_each_other "${nodes[*]}"; then break; fi
    first=${nodes[0]} kept=("${nodes[0]}") jobs=()
    for node in "${nodes[@]:1}"; do nodes_reach_each_other "$first $node" & jobs+=($!); done
    for node in "${nodes[@]:1}"; do
      if wait "${jobs[0]}"; then kept+=("$node"); else say "unhealthy: MPI does not get from $first to $node" >&2; fi
      jobs=("${jobs[@]:1}")
    done
    if ((${#kept[@]} == 1)); then
      nodes=("${nodes[@]:1}")  # reached by nobody
    elif ((${#kept[@]} == ${#nodes[@]})); then
      break  # every pair does: what failed has passed
    else
      nodes=("${kept[@]}")
    fi
  done
  printf '%s\n' "${nodes[@]}"
}

# The nodes that may be used now, a line each.
healthy_nodes() {
  local nodes node kept=()
  mapfile -t nodes < <(allocated_nodes)
  for node in "${nodes[@]}"; do
    if [[ " ${banned[*]} " == *" $node "* ]]; then continue; fi
    kept+=("$node")
  done
  ((${#kept[@]})) && mapfile -t kept < <(alive_nodes "${kept[@]}")
  ((${#kept[@]})) && mapfile -t kept < <(fit_nodes "${kept[@]}")
  ((${#kept[@]})) && connected_nodes "${kept[@]}"
}

# Sees to it that two nodes beside this one requeue the job when this one is lost with the batch script.
place_heirs() {
  local node count=0
  in_slurm || return 0
  for node in "$@"; do
    if [[ $node == "${SLURMD_NODENAME:-}" ]] || ((count == 2)); then continue; fi
    count=$((count + 1))
    if [[ -n ${heirs[$node]:-} ]] && kill -0 "${heirs[$node]}" 2>/dev/null; then continue; fi
    srun --mpi=none --overlap --quiet --job-name=terramill-heir --nodes=1 --ntasks=1 --cpus-per-task=1 --nodelist="$node" \
      bash "$(dirname "${BASH_SOURCE[0]}")/heir.sh" "$SLURM_JOB_ID" "${SLURMD_NODENAME:-}" "$SLURM_JOB_NUM_NODES" </dev/null >/dev/null 2>&1 &
    heirs[$node]=$!
  done
}

# Ends what is left of earlier steps, so that no rank of one writes beside the next.
end_steps() {
  local step left pids deadline=$((SECONDS + health_limit))
  while ! in_slurm && [[ -n $session ]]; do
    mapfile -t pids < <(ps -o pid= --sid "$session")
    ((${#pids[@]} && SECONDS < deadline)) || return 0
    kill -KILL "${pids[@]}" 2>/dev/null
    sleep 0.1
  done
  in_slurm || return 0
  while :; do
    left=$(squeue --noheader --steps --job="$SLURM_JOB_ID" --format='%i %N %j' 2>/dev/null | grep -E '^[0-9]+\.[0-9]+ ' | grep -v ' terramill-heir$' || true)
    if [[ -z $left ]] || ((SECONDS >= deadline)); then break; fi
    while read -r step _; do scancel --signal=KILL "$step" 2>/dev/null; done <<<"$left"
    sleep 0.5
  done
  [[ -z $left ]] || say "still ending: $(tr '\n' ';' <<<"$left")"
}
