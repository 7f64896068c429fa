# shellcheck shell=bash
# Sourced by jobs/supervise.sh: the nodes of the allocation, and which of them can take part. Outside Slurm there is one.
#
# `launcher` and `surroundings`, arrays, are the caller's, as are `say` and `stopping`; so are these:

job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID:-}}
job=${job:-${SLURM_JOB_ID:-}}  # the last task of an array bears the number of them all
scratch=/tmp            # a folder on every node
segments=''             # one in the memory of every node, for what ranks share there; empty: none
shared=()               # folders that every node must see
least_disk=64           # MiB that must be free in it
least_memory=256        # MiB that must be available
health_limit=60         # seconds that a check may take
banned=()               # nodes that are not to be used in this start of the job; Slurm excludes them from the next
declare -A heirs=()     # process ids of those who watch over the batch host, by node
ghosts=()               # steps that Slurm goes on listing: a controller that was killed may not hear of their end
asked_nodes=1           # how many nodes the job had at first
asked_file=''           # where that is kept for the next start of the job
session=''              # the session of the launcher, and of the ranks that it starts on this node; srun starts none

in_slurm() { [[ -n ${SLURM_JOB_ID:-} ]]; }

# With `pipefail` a grep that leaves at its first find fails the pipe when more is written than that holds: no -q.
controller_answers() { scontrol ping 2>/dev/null | grep ' UP' >/dev/null; }

# The controller may be restarted while the job runs; steps cannot start meanwhile. Fails after a request to stop, when
# a minute was not enough.
wait_for_controller() {
  in_slurm || return 0
  local told=false deadline=0
  until controller_answers; do
    $told || say "waiting for Slurm's controller"
    told=true
    if $stopping; then
      ((deadline)) || deadline=$((SECONDS + 60))
      ((SECONDS < deadline)) || return 1
    fi
    sleep 2
  done
}

# Asks the controller for the job until it answers: sets `shown`, whose fields job_field gives. Not in a subshell, which
# would not hear a request to stop.
show_job() {
  local tries=0
  until shown=$(scontrol --oneliner show job "$job" 2>/dev/null); do
    wait_for_controller || return 1
    ((++tries < 30)) || return 1
    sleep 1
  done
}
# Whether Slurm has begun the job anew, or is about to: this node was taken for lost, and is back. The numbers of the job's
# steps, its nodes and folders are the next start's then.
superseded() {
  in_slurm && show_job || return 1
  [[ $(job_field JobState) == PENDING || $(job_field Restarts) =~ ^[0-9]+$ && ${BASH_REMATCH[0]} != "${SLURM_RESTART_COUNT:-0}" ]]
}
job_field() { head -n 1 <<<"${shown:-}" | grep -o " $1=[^ ]*" | cut -d= -f2; }

# The nodes of the allocation as it is now, a line each: what Slurm gave up is not among them any more.
allocated_nodes() {
  in_slurm || { hostname; return; }
  local list
  list=$(squeue --noheader --job="$job" --format=%N 2>/dev/null | head -n 1)
  scontrol show hostnames "${list:-$SLURM_JOB_NODELIST}"
}

# Of the nodes given, those that Slurm takes for alive; all of them where it does not say.
alive_nodes() {
  local list states
  printf -v list '%s,' "$@"
  if in_slurm && states=$(sinfo --all --noheader --Node --nodes="${list%,}" --format='%N %T' 2>/dev/null) && [[ -n $states ]]; then
    awk '$2 !~ /[*]|down|fail|not_resp|power/ { print $1 }' <<<"$states" | sort -uV
  else
    printf '%s\n' "$@"
  fi
}

# Whether the job has lost one of the nodes given.
lost_node() {
  local node there
  in_slurm || return 1
  wait_for_controller || true
  # shellcheck disable=SC2046
  there=" $(alive_nodes $(allocated_nodes) | tr '\n' ' ')"
  for node in "$@"; do [[ $there == *" $node "* ]] || return 0; done
  return 1
}

# Runs a command once on each of the nodes: on_nodes "n1 n2" COMMAND… `--mem=0` takes no memory from the ranks' steps.
on_nodes() {
  local nodes=$1 list
  shift
  in_slurm || { timeout --kill-after=5 "$health_limit" "$@"; return; }
  read -ra list <<<"$nodes"
  timeout --kill-after=5 "$health_limit" srun --mpi=none --overlap --quiet --kill-on-bad-exit=0 --nodes="${#list[@]}" \
    --ntasks="${#list[@]}" --ntasks-per-node=1 --cpus-per-task=1 --mem=0 --nodelist="${nodes// /,}" "$@" </dev/null
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
    mpirun) words=(env -u SRUN_CPUS_PER_TASK SLURM_OVERLAP=1 "${launcher[@]}" -n "$ranks" --host "$(sed "s/ /:$per,/g; s/\$/:$per/" <<<"$nodes")") ;;
    # Hydra gives all ranks this environment, also what tells where this node stands.
    *) words=(env -u SLURM_TOPOLOGY_ADDR -u TERRAMILL_FAILURE_GROUP "${launcher[@]}" -n "$ranks" -ppn "$per" -hosts "${nodes// /,}") ;;
  esac
}

# Whether a rank on each of the nodes reaches a rank on each other; says what went wrong. `scancel --signal=USR1 JOB`, which
# is meant for the ranks, does not end it.
nodes_reach_each_other() {
  local words ping="trap '' USR1; exec terramill doctor --ping" status=0
  launch_words "$(wc -w <<<"$1")" "$1"
  if [[ ${launcher[0]##*/} == srun ]]; then words+=(--cpus-per-task=1); fi
  timeout --kill-after=5 "$health_limit" "${surroundings[@]}" "${words[@]}" bash -c "$ping" 2>&1 >/dev/null </dev/null || status=$?
  case $status in
    0) return 0 ;;
    124 | 137) echo "no end within $health_limit s (--health-limit)" ;;
  esac
  echo "${words[*]} terramill doctor --ping: $status"
  return 1
}

# Of the nodes given, those whose disks, memory, GPUs and program are as they must be; says what is wrong with the others.
fit_nodes() {
  local here answers node
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  local check=(bash "$here/node-health.sh" "$scratch" "$segments" "$least_disk" "$least_memory" "${SLURM_GPUS_ON_NODE:-0}" "${shared[@]}")
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

# Of the nodes given, many that reach each other: pairs with the first tell who is cut off. One that reaches nobody is
# left out, and the middle one, far from it, is asked next. When that has happened three times, or there is nobody left to
# ask, the cause is none of a node: says what the exchange said, gives the first node, and fails. Where all reach the first
# but not each other, halving finds the first node that one before it does not reach.
connected_nodes() {
  local nodes=("$@") first node kept jobs words lonely=0 middle met=false low high
  while ((${#nodes[@]} > 1)); do
    if words=$(nodes_reach_each_other "${nodes[*]}"); then break; fi
    first=${nodes[0]} kept=("${nodes[0]}") jobs=()
    for node in "${nodes[@]:1}"; do nodes_reach_each_other "$first $node" >/dev/null & jobs+=($!); done
    for node in "${nodes[@]:1}"; do
      if wait "${jobs[0]}"; then kept+=("$node"); else say "unhealthy: MPI does not get from $first to $node" >&2; fi
      jobs=("${jobs[@]:1}")
    done
    if ((${#kept[@]} == 1)); then
      lonely=$((lonely + 1)) middle=$((1 + (${#nodes[@]} - 1) / 2))
      if ((lonely == 3 || ${#nodes[@]} == 2)); then
        say "no node reaches another by MPI:"$'\n'"$(tail -n 20 <<<"$words")" >&2
        echo "$1"
        $met
        return
      fi
      nodes=("${nodes[@]:middle}" "${nodes[@]:1:middle - 1}")
    elif ((${#kept[@]} == ${#nodes[@]})); then
      if words=$(nodes_reach_each_other "${nodes[*]}"); then break; fi  # what failed has passed
      low=1 high=${#nodes[@]}  # so many from the first on do, and do not
      while ((high - low > 1)); do
        middle=$(((low + high) / 2))
        if nodes_reach_each_other "${nodes[*]:0:middle}" >/dev/null; then low=$middle; else high=$middle; fi
      done
      say "unhealthy: MPI does not get from ${nodes[high - 1]} to one of ${nodes[*]:0:high - 1}:"$'\n'"$(tail -n 20 <<<"$words")" >&2
      nodes=("${nodes[@]:0:high - 1}" "${nodes[@]:high}") met=true
    else
      nodes=("${kept[@]}") met=true
    fi
  done
  for node in "$@"; do
    if [[ " ${nodes[*]} " == *" $node "* ]]; then echo "$node"; fi
  done
}

# The nodes that may be used now, a line each. Fails when no two of several reach each other.
healthy_nodes() {
  local nodes node kept=()
  mapfile -t nodes < <(allocated_nodes)
  for node in "${nodes[@]}"; do
    if [[ " ${banned[*]} " == *" $node "* ]]; then continue; fi
    kept+=("$node")
  done
  ((${#kept[@]})) && mapfile -t kept < <(alive_nodes "${kept[@]}")
  ((${#kept[@]})) && mapfile -t kept < <(fit_nodes "${kept[@]}")
  ((${#kept[@]} == 0)) || connected_nodes "${kept[@]}"
}

# The nodes with these host names, which Slurm need not call by them: of the nodes given, those that answer.
nodes_of_hosts() {  # nodes_of_hosts "HOST…" NODE…
  local hosts=" $1 " node host found=()
  shift
  # shellcheck disable=SC2016
  while read -r node host; do
    if [[ $hosts == *" ${host%%.*} "* ]]; then found+=("$node"); fi
  done < <(on_nodes "$*" bash -c 'echo "${SLURMD_NODENAME:-$(hostname)} $(hostname)"' 2>/dev/null)
  # shellcheck disable=SC2086
  if ((${#found[@]})); then printf '%s\n' "${found[@]}"; else printf '%s\n' $hosts; fi
}

# Tells the next start of the job how many nodes it had at first, once it has a folder.
keep_asked_nodes() {
  if [[ ${asked_file%/*} == */faults ]]; then mkdir "${asked_file%/*}" 2>/dev/null; fi
  [[ ! -d ${asked_file%/*} ]] || echo "$asked_nodes" >"$asked_file"
}

# Requeues the job: requeue_job EXCLUDED, on as many nodes as at first, since Slurm took lost ones from it, without those
# that are banned and those that the user excluded. The caller is to exit then.
requeue_job() {
  trap '' TERM  # Slurm ends what runs of the job while the next line is still to be said
  keep_asked_nodes
  scontrol requeue "$job" || return 1
  # Slurm cannot change a job that is still ending, which it is while this waits for the answer and while epilogs run. It
  # tries for five seconds. Where that is not enough, the next start reads the file.
  scontrol update JobId="$job" NumNodes="$asked_nodes" ${1:+ExcNodeList="$1"} &
  sleep 1
}

# Those whom Slurm is not to give the job any more, by commas: the banned and the user's.
excluded_nodes() {
  local given
  given=$(job_field ExcNodeList)
  [[ $given != '(null)' ]] || given=''
  ((${#banned[@]})) || return 0
  given=$given$(printf ',%s' "${banned[@]}")
  echo "${given#,}"
}

# Sees to it that two nodes beside this one requeue the job when this one is lost with the batch script.
place_heirs() {
  local node count=0
  in_slurm || return 0
  show_job || true
  for node in "$@"; do
    if [[ $node == "${SLURMD_NODENAME:-}" ]] || ((count == 2)); then continue; fi
    count=$((count + 1))
    if [[ -n ${heirs[$node]:-} ]] && kill -0 "${heirs[$node]}" 2>/dev/null; then continue; fi
    srun --mpi=none --overlap --quiet --job-name=terramill-heir --nodes=1 --ntasks=1 --cpus-per-task=1 --mem=0 --nodelist="$node" \
      bash "$(dirname "${BASH_SOURCE[0]}")/heir.sh" "$job" "${SLURMD_NODENAME:-}" "$asked_nodes" "$asked_file" \
      "${SLURM_RESTART_COUNT:-0}" "$(excluded_nodes)" \
      </dev/null >/dev/null 2>&1 &
    heirs[$node]=$!
  done
}

dismiss_heirs() {
  ((${#heirs[@]} == 0)) || kill "${heirs[@]}" 2>/dev/null
  heirs=()
}

# Ends what mpirun left on this node.
end_session() {
  local pids deadline=$((SECONDS + 60))
  while [[ -n $session ]]; do
    mapfile -t pids < <(ps -o pid= --sid "$session")
    ((${#pids[@]} && SECONDS < deadline)) || break
    kill -KILL "${pids[@]}" 2>/dev/null
    sleep 0.1
  done
}

# Ends what is left of earlier steps, so that no rank of one writes beside the next.
end_steps() {
  local left id deadline=$((SECONDS + 60))
  end_session
  in_slurm || return 0
  while :; do
    # JOB.STEP, in an array JOB_TASK.STEP
    left=$(squeue --noheader --steps --job="$job" --format='%i %N %j' 2>/dev/null | grep -E '^[0-9]+(_[0-9]+)?\.[0-9]+ ' | grep -v ' terramill-heir$' | grep -vxF -e '-' "${ghosts[@]/#/--regexp=}" || true)
    if [[ -z $left ]] || ((SECONDS >= deadline)); then break; fi
    while read -r id _; do scancel --signal=KILL "$id" 2>/dev/null; done <<<"$left"
    sleep 0.5
  done
  if [[ -n $left ]]; then
    say "still ending: $(tr '\n' ';' <<<"$left")"
    mapfile -t -O "${#ghosts[@]}" ghosts <<<"$left"
  fi
}

# ---- Outside Slurm: what a supervisor that was itself killed left running --------------------------------------------

# When a process started, in ticks since the machine did; nothing where there is none.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# `OUTPUT.supervised` tells who supervises a run, the mark in the environment of all that it starts, and its scratch.
mark_session() { printf '%s %s %s %s %s\n' "$(hostname)" $$ "$(started $$)" "$TERRAMILL_SESSION" "$scratch" >"$1" 2>/dev/null || true; }

# Ends the ranks of a supervisor that is gone, only processes that bear its mark, and removes their folders. Fails when it
# lives: the folder's lock keeps the two apart.
end_left_session() {
  local host supervisor since mark its_scratch pid file=$1 deadline=$((SECONDS + health_limit)) left
  read -r host supervisor since mark its_scratch 2>/dev/null <"$file" || return 0
  [[ $host == "$(hostname)" && -n $mark ]] || return 0
  if [[ $(started "$supervisor") == "$since" ]]; then return 1; fi
  while ((SECONDS < deadline)); do
    left=()
    for pid in $(ps -u "$(id -u)" -o pid=); do
      if grep -qzxF "TERRAMILL_SESSION=$mark" "/proc/$pid/environ" 2>/dev/null; then left+=("$pid"); fi
    done
    ((${#left[@]})) || break
    say "ending ${#left[@]} processes that a supervisor left which was killed"
    kill -KILL "${left[@]}" 2>/dev/null
    sleep 0.2
  done
  rm -rf --one-file-system "/dev/shm/terramill-supervise-$supervisor"
  [[ ${its_scratch##*/} != "terramill-supervise-$supervisor" ]] || rm -rf --one-file-system "$its_scratch"
}
