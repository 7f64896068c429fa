#!/usr/bin/env bash
# Runs a subcommand of `terramill` until it is done, whatever fails on the way; see --help.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/step.sh"
source "$here/nodes.sh"

usage() {
  cat <<TEXT
usage: jobs/supervise.sh [OPTION]... pretrain|corpus build [OPTION OF THE SUBCOMMAND]...

Inside a Slurm job (jobs/pretrain.sbatch and jobs/corpus.sbatch call it): starts the ranks on healthy nodes, and again
when they fail; spare nodes first, then fewer nodes. A lost, full, unreachable or miscomputing node is left out. Outside
Slurm: the same with mpirun on this machine.

  --spares N           nodes of the allocation that stay idle until another fails (0)
  --least-nodes N      with fewer healthy nodes the job is requeued (1)
  --max-restarts N     restarts in all (20)
  --max-stuck N        restarts in a row after which no newer checkpoint, or no further shard, is there (3)
  --max-requeues N     how often Slurm may have started the job anew (10)
  --requeue            after the stop signal of the time limit, requeue the job instead of ending it with 85
  --least-disk MIB     a node's scratch must have so much free (64)
  --least-memory MIB   a node must have so much available (256)
  --health-limit S     seconds that a node's check may take (60)
  --ranks N            outside Slurm: how many (1)

The options may also stand among those of the subcommand. USR1 and TERM ask the ranks to stop with a checkpoint. Each
line begins with the time; the last one tells the exit code: that of \`terramill\` (docs/operations.md).
TEXT
}

say() { echo "supervise: $(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) $*"; }
refuse() { echo "supervise: $*; see --help" >&2; exit 2; }

spares=0 least_nodes=1 max_restarts=20 max_stuck=3 max_requeues=10 ranks=1
requeue=false subcommand=()
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --requeue) requeue=true; shift ;;
    --spares | --least-nodes | --max-restarts | --max-stuck | --max-requeues | --least-disk | --least-memory | --health-limit | --ranks)
      [[ ${2:-} =~ ^[0-9]+$ ]] || refuse "$1 takes a whole number, not \"${2:-}\""
      name=${1#--}
      printf -v "${name//-/_}" %s "$2"
      shift 2 ;;
    *) subcommand+=("$1"); shift ;;
  esac
done
case ${subcommand[*]:0:2} in
  pretrain*) [[ " ${subcommand[*]} " == *" --resume "* ]] || subcommand+=(--resume) ;;
  "corpus build") ;;
  *) refuse "the subcommand is pretrain or corpus build, not \"${subcommand[*]:0:2}\"" ;;
esac
command -v terramill >/dev/null || { echo "supervise: the program is not here: run jobs/build.sh" >&2; exit 1; }
((ranks > 0)) || refuse "--ranks takes a number above 0"

# The value of an option of the subcommand: option_value NAME DEFAULT.
option_value() {
  local value=$2 index
  for ((index = 0; index < ${#subcommand[@]}; ++index)); do
    case ${subcommand[index]} in
      "$1") value=${subcommand[index + 1]:-$2} ;;
      "$1="*) value=${subcommand[index]#*=} ;;
    esac
  done
  echo "$value"
}

output=$(option_value --output '')
restarts=0 stuck=0 stopping=false step='' own_session=() code=0

# What is durable, as one number that grows: the newest complete checkpoint's step, or finished shards.
progress() {
  local files
  shopt -s nullglob
  if [[ -z $output ]]; then
    echo 0
  elif [[ ${subcommand[0]} == pretrain ]]; then
    files=("$output"/checkpoints/step-*/index.json)
    ((${#files[@]})) || { echo -1; return; }
    basename "$(dirname "${files[-1]}")" | sed 's/^step-0*//; s/^$/0/'
  else
    files=("$output"/.build/*.part)
    if [[ -e $output/manifest.json ]]; then echo 1000000000; else echo "${#files[@]}"; fi
  fi
}

# The hosts whose memory or processor changed what they held, as the run that ended with 88 recorded them.
corrupt_hosts() {
  grep -o '"hosts": *\[[^]]*\]' "$output/faults/corrupt.json" 2>/dev/null | sed 's/^[^[]*//' | grep -o '"[^"]*"' | tr -d '"' | sed 's/[.].*//'
}

# Whether Slurm is preempting the job: it then asks the ranks to stop, but not this script.
preempted() { in_slurm && [[ $(job_field PreemptTime) =~ ^[0-9] ]]; }

finish() {
  local nodes there
  trap - USR1 TERM INT
  say "${2:-done}"
  mapfile -t there < <(allocated_nodes)
  mapfile -t nodes < <(alive_nodes "${there[@]}" 2>/dev/null)
  ((${#heirs[@]} == 0)) || kill "${heirs[@]}" 2>/dev/null
  ((${#nodes[@]})) && on_nodes "${nodes[*]}" rm -rf --one-file-system "$scratch" >/dev/null 2>&1
  echo "terramill: exit code $1, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  exit "$1"
}

# Hands the job back to Slurm, which starts it anew when it can: requeue_or_finish CODE WHY. A job that is being
# cancelled is not running any more.
requeue_or_finish() {
  if ! in_slurm; then finish "$1" "$2"; fi
  if ((${SLURM_RESTART_COUNT:-0} >= max_requeues)); then finish "$1" "$2; not requeued: that was done $max_requeues times"; fi
  if [[ $(job_field JobState) == RUNNING && $(job_field Requeue) == 1 ]]; then
    say "$2: requeueing the job"
    if scontrol requeue "$SLURM_JOB_ID"; then
      scontrol update JobId="$SLURM_JOB_ID" NumNodes="$SLURM_JOB_NUM_NODES"  # Slurm took lost ones from the job
      exit "$1"
    fi
  fi
  finish "$1" "$2"
}

# After a request to stop: what is durable stays, whether or not the ranks were far enough to add a checkpoint.
stopped() {
  if preempted; then requeue_or_finish 85 "preempted"; fi
  if $requeue; then requeue_or_finish 85 "stopped on request"; fi
  finish 85 "stopped on request"
}

stop() {
  say "stop requested"
  stopping=true
  [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null
}
trap stop USR1 TERM INT

# As a function, since the shell reads a script while it runs it: the file may be exchanged during a run of weeks.
supervise() {
  if in_slurm; then
    for module in ${TERRAMILL_MODULES:-}; do module load "$module"; done
    terramill_choose_launcher
    scratch=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/terramill-$SLURM_JOB_ID
    all_nodes=$SLURM_JOB_NUM_NODES
    per_node=${SLURM_NTASKS_PER_NODE:-$((SLURM_NTASKS / SLURM_JOB_NUM_NODES))}
    export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
    unset SLURM_NO_KILL  # a step that lost a node is to end
    terramill_tell_layout "${subcommand[@]}"
  else
    ((spares == 0)) || refuse "--spares needs a Slurm job: outside there is one node"
    read -ra launcher <<<"${TERRAMILL_LAUNCHER:-mpirun}"
    scratch=${TMPDIR:-/tmp}/terramill-supervise-$$
    all_nodes=1 per_node=$ranks own_session=(setsid)
  fi
  wanted=$((all_nodes - spares))
  ((wanted >= least_nodes && wanted >= 1)) || refuse "$all_nodes nodes with $spares spares leave fewer than --least-nodes $least_nodes"
  tensor_parallel=$(option_value --train.tp '')
  if [[ -z $tensor_parallel && -n $(option_value --config '') ]]; then
    tensor_parallel=$(terramill "${subcommand[@]}" --print-config 2>/dev/null | sed -n '/^\[train\]/,/^\[/s/^tp *= *\([0-9]*\).*/\1/p')
  fi
  [[ $tensor_parallel =~ ^[1-9][0-9]*$ ]] || tensor_parallel=1

  newest=$(progress)
  while :; do
    wait_for_controller
    end_steps
    mapfile -t healthy < <(healthy_nodes)
    count=${#healthy[@]}
    ((count <= wanted)) || count=$wanted
    # A tensor-parallel group is whole or not there.
    while ((count > 0 && count * per_node % tensor_parallel != 0)); do count=$((count - 1)); done
    if $stopping; then stopped; fi
    if preempted; then stopped; fi
    if ((count < least_nodes || count == 0)); then
      requeue_or_finish "$((code ? code : 1))" "$count healthy nodes are too few"
    fi
    chosen=${healthy[*]:0:count}
    place_heirs "${healthy[@]}"
    say "attempt $((restarts + 1)): $((count * per_node)) ranks on $count nodes: $chosen; $((${#healthy[@]} - count)) spare; durable: $newest"
    launch_words $((count * per_node)) "$chosen"
    # In the background, so that this shell hears signals while the ranks run.
    TMPDIR=$scratch "${own_session[@]}" "${words[@]}" terramill "${subcommand[@]}" &
    step=$! session=$!
    if $stopping; then stop; fi
    while kill -0 "$step" 2>/dev/null; do wait "$step"; done
    wait "$step"
    code=$?
    step=''
    say "ended with $code"

    first=$((restarts == 0 && ${SLURM_RESTART_COUNT:-0} == 0))
    case $code in
      0 | 3 | 87) finish "$code" ;;
      85 | 138) if $stopping || preempted; then stopped; fi; finish 85 "stopped" ;;  # 138: USR1 to who has nothing to save
      88)
        mapfile -t -O "${#banned[@]}" banned < <(corrupt_hosts)
        say "not used any more: ${banned[*]:-nobody, since the run could not tell which host it was}" ;;
      2) ((first == 0)) || finish 2 "refused" ;;  # later it may be the lock of ranks that are still ending
    esac
    if $stopping; then stopped; fi
    if preempted; then stopped; fi
    restarts=$((restarts + 1))
    now=$(progress)
    if ((now > newest)); then stuck=0 newest=$now; else stuck=$((stuck + 1)); fi
    if ((restarts > max_restarts)); then finish "$code" "gave up: restarted $max_restarts times"; fi
    if ((stuck >= max_stuck)); then finish "$code" "gave up: $stuck attempts in a row brought nothing further than $newest"; fi
  done
}

supervise; exit
