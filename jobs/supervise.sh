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
  --least-nodes N      with fewer healthy nodes the job is requeued (1); with none at its very first start it ends
  --max-restarts N     restarts in all (20)
  --max-stuck N        restarts in a row after which no newer checkpoint, or no further shard, is there (3)
  --pause S            seconds before a restart after one that brought nothing: twice as many, then four times … (15)
  --max-requeues N     how often Slurm may have started the job anew when a start brings nothing further (10)
  --requeue            after the stop signal of the time limit, requeue the job instead of ending it with 85
  --least-disk MIB     a node's scratch must have so much free (64)
  --least-memory MIB   a node must have so much available (256)
  --health-limit S     seconds that a node's check may take (60)
  --ranks N            outside Slurm: how many (1)

The options may also stand among those of the subcommand. USR1 and TERM ask the ranks to stop with a checkpoint; in a job
array TERM also cancels the tasks that are still to come. Each line begins with the time; the last one tells the exit
code: that of \`terramill\` (docs/operations.md).
TEXT
}

say() { echo "supervise: $(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) $*"; }
refuse() { echo "supervise: $*; see --help" >&2; exit 2; }

spares=0 least_nodes=1 max_restarts=20 max_stuck=3 max_requeues=10 ranks=1 pause=15
requeue=false subcommand=()
while (($#)); do
  case $1 in
    --spares=* | --least-nodes=* | --max-restarts=* | --max-stuck=* | --max-requeues=* | --least-disk=* | --least-memory=* | \
      --health-limit=* | --ranks=* | --pause=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
  esac
  case $1 in
    --help | -h) usage; exit 0 ;;
    --requeue) requeue=true; shift ;;
    --spares | --least-nodes | --max-restarts | --max-stuck | --max-requeues | --least-disk | --least-memory | --health-limit | --ranks | --pause)
      [[ ${2:-} =~ ^[0-9]+$ ]] || refuse "$1 takes a whole number, not \"${2:-}\""
      name=${1#--}
      printf -v "${name//-/_}" %s "$((10#$2))"
      shift 2 ;;
    *) subcommand+=("$1"); shift ;;
  esac
done
case ${subcommand[*]:0:2} in
  pretrain*) [[ " ${subcommand[*]} " == *" --resume "* ]] || subcommand+=(--resume) ;;
  "corpus build") ;;
  *) refuse "the subcommand is pretrain or corpus build, not \"${subcommand[*]:0:2}\"" ;;
esac
asked_spares=$spares
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

output='' restarts=0 stuck=0 refusals=0 stopping=false for_good=false step='' own_session=() code=0 described='' mark='' at_start=0

# An option's value as --print-config told it, from the command line where it told nothing: described_value SECTION NAME.
described_value() {
  local found
  found=$(awk -v section="$1" -v name="$2" '
    /^\[/ { at = substr($0, 2, index($0, "]") - 2) }
    at == section && index($0, name " = ") == 1 { sub(/  # [^#]*$/, ""); print substr($0, length(name) + 4) }' <<<"$described")
  if [[ -n $found ]]; then echo "$found"; else option_value "--${1:+$1.}$2" ''; fi
}

# What is durable, as one number that grows: the newest complete checkpoint's step, or finished shards.
# Checkpoints on the nodes' own disks count once the next attempt has taken them over.
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

# Seconds to wait, unless a stop is asked for.
pause_for() {
  local end=$((SECONDS + $1))
  until $stopping || ((SECONDS >= end)); do sleep 1; done
}

# The hosts whose memory or processor changed what they held, as the run that ended with 88 recorded them.
corrupt_hosts() {
  grep -o '"hosts": *\[[^]]*\]' "$output/faults/corrupt.json" 2>/dev/null | sed 's/^[^[]*//' | grep -o '"[^"]*"' | tr -d '"' | sed 's/[.].*//'
}

# Whether Slurm is preempting the job: it then asks the ranks to stop, but not this script.
preempted() {
  in_slurm || return 1
  shown=$(scontrol --oneliner show job "$job" 2>/dev/null)
  [[ $(job_field PreemptTime) =~ ^[0-9] ]]
}

# By mpirun the ranks beside it are not Slurm's: it asks only the others to stop.
watch_for_preemption() {
  while sleep 15; do
    if preempted; then kill -USR1 $$; fi
  done
}

clear_scratch() {
  local nodes there tries health_limit=20
  mapfile -t there < <(allocated_nodes)
  for tries in {1..5}; do
    ((tries == 1)) || sleep 2  # a controller that was started anew has yet to hear of its nodes
    mapfile -t nodes < <(alive_nodes "${there[@]}")
    ((${#nodes[@]})) || continue
    if on_nodes "${nodes[*]}" rm -rf --one-file-system "$scratch" ${segments:+"$segments"} >/dev/null 2>&1; then return; fi
  done
}

# The tasks of a job array that are still to come, unless it was the time limit that asked for the stop.
cancel_chain() {
  local end
  [[ -n ${SLURM_ARRAY_JOB_ID:-} ]] || return 0
  case $1 in
    0 | 2 | 3 | 87 | 88) ;;
    *)
      $for_good || return 0
      show_job && end=$(date -d "$(job_field EndTime)" +%s 2>/dev/null) && ((end - $(date +%s) > 60)) || return 0 ;;
  esac
  say "the tasks of the array that are still to come are cancelled"
  scancel --state=PENDING "$SLURM_ARRAY_JOB_ID" 2>/dev/null
}

# Whether the task of the array before this one may have left ranks that hold the folder's lock.
lock_was_left() {
  ((${SLURM_ARRAY_TASK_ID:-0} > ${SLURM_ARRAY_TASK_MIN:-0})) && [[ -e $output/.lock ]] && ! flock --nonblock "$output/.lock" true
}

# Where the bans are kept for the next start of the job, should Slurm give it such a node again.
banned_file() { echo "$output/faults/banned-$job"; }

# Sets the output, as the command line or, later, the configuration tells it; and what depends on it.
know_output() {
  if [[ $1 == "$output" ]]; then return; fi
  output=$1 asked_file=$1/$([[ ${subcommand[0]} == pretrain ]] && echo faults || echo .build)/nodes-$job
  dismiss_heirs  # new ones know it
  if in_slurm && ((${SLURM_RESTART_COUNT:-0})); then recall_earlier_start; fi
}

# What an earlier start of the job left. One that comes back with fewer nodes than it had makes do with fewer spares.
recall_earlier_start() {
  local asked
  if [[ -e $(banned_file) ]]; then mapfile -t banned <"$(banned_file)"; fi
  asked=$(cat "$asked_file" 2>/dev/null)
  if [[ $asked =~ ^[0-9]+$ ]] && ((asked > all_nodes)); then
    asked_nodes=$asked
    spares=$((asked_spares > asked - all_nodes ? asked_spares - (asked - all_nodes) : 0))
    say "Slurm brought the job back on $all_nodes nodes, not on $asked as at first: submitted again it gets all"
  fi
}

# Ends this script and what it started on this node, which Slurm gave up; nothing by Slurm, whose next start of the job has
# the same numbers. srun would pass on a signal that it can catch.
abandon() {
  trap '' USR1 TERM INT HUP
  say "Slurm took this node for lost and begins the job anew: this start of it ends"
  # shellcheck disable=SC2046
  kill -KILL $(jobs -p) 2>/dev/null
  end_session
  exit 1
}

finish() {
  if superseded; then abandon; fi
  trap '' USR1 TERM INT HUP
  say "${2:-done}"
  cancel_chain "$1"
  dismiss_heirs
  clear_scratch
  [[ -z $mark ]] || rm -f "$mark"
  if in_slurm && ! $for_good; then rm -f "$(banned_file)" "$asked_file"; fi  # after TERM somebody may requeue it
  echo "terramill: exit code $1, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  exit "$1"
}

# Hands the job back to Slurm, which starts it anew when it can: requeue_or_finish CODE WHY. A job that is being
# cancelled is not running any more.
requeue_or_finish() {
  if ! in_slurm; then finish "$1" "$2"; fi
  if superseded; then abandon; fi
  if ((${SLURM_RESTART_COUNT:-0} >= max_requeues && $(progress) <= at_start)); then
    finish "$1" "$2; not requeued: that was done ${SLURM_RESTART_COUNT:-0} times, and this start brought nothing further than $at_start"
  fi
  if show_job && [[ $(job_field JobState) == RUNNING && $(job_field Requeue) == 1 ]]; then
    say "$2: requeueing the job"
    dismiss_heirs
    clear_scratch
    if requeue_job "$(excluded_nodes)"; then exit "$1"; fi
  fi
  finish "$1" "$2"
}

# After a request to stop: what is durable stays, whether or not the ranks were far enough to add a checkpoint. With the
# code of ranks that ended after it: 138 and 143 are those of USR1 and TERM where nothing is to be saved.
stopped() {
  local end=85 why="stopped on request"
  case ${1:-85} in
    85 | 138 | 143) ;;
    *) end=$1 why="asked to stop, but the ranks failed: $1" ;;
  esac
  if preempted; then requeue_or_finish "$end" "preempted"; fi
  if $requeue; then requeue_or_finish "$end" "$why"; fi
  finish "$end" "$why"
}

stop() {
  say "stop requested"
  stopping=true
  [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null
}
trap stop USR1
trap '$stopping || for_good=true; stop' TERM INT HUP

# As a function, since the shell reads a script while it runs it: the file may be exchanged during a run of weeks.
supervise() {
  if in_slurm; then
    all_nodes=$SLURM_JOB_NUM_NODES asked_nodes=$SLURM_JOB_NUM_NODES
    # Before all else: a batch host that is lost without heirs leaves a job that nobody ends.
    know_output "$(option_value --output '')"
    # shellcheck disable=SC2046
    mapfile -t others < <(alive_nodes $(allocated_nodes))
    place_heirs "${others[@]}"
    for module in ${TERRAMILL_MODULES:-}; do module load "$module"; done
    terramill_choose_launcher
    terramill_choose_folders "terramill-$SLURM_JOB_ID"
    per_node=${SLURM_NTASKS_PER_NODE:-$((SLURM_NTASKS / SLURM_JOB_NUM_NODES))}
    export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
    unset SLURM_NO_KILL  # a step that lost a node is to end
    # Of what the job has in all a step on one node has but a part.
    unset SLURM_GPUS SLURM_GPUS_PER_TASK SLURM_NTASKS_PER_GPU SLURM_TRES_PER_TASK
    [[ -z ${SLURM_GPUS_ON_NODE:-} ]] || export SLURM_GPUS_PER_NODE=$SLURM_GPUS_ON_NODE
    [[ ${launcher[0]##*/} == srun ]] || own_session=(setsid)
    terramill_tell_layout "${subcommand[@]}"
  else
    ((spares == 0)) || refuse "--spares needs a Slurm job: outside there is one node"
    read -ra launcher <<<"${TERRAMILL_LAUNCHER:-mpirun}"
    terramill_choose_folders "terramill-supervise-$$"
    all_nodes=1 per_node=$ranks own_session=(setsid)
  fi
  if ((${SLURM_RESTART_COUNT:-0} == 0 && (all_nodes <= spares || all_nodes - spares < least_nodes))); then
    finish 2 "refused: $all_nodes nodes with $spares spares leave fewer than --least-nodes $least_nodes"
  fi

  wait_for_controller
  own=${SLURMD_NODENAME:-$(hostname)}
  for node in "$own" $(allocated_nodes | grep -vxF "$own" | head -n 1); do
    launch_words 1 "$node"
    # Its errors come with it, and are parted from it by their words.
    answer=$({ timeout --kill-after=5 "$((health_limit * 2))" "${words[@]}" terramill "${subcommand[@]}" --print-config </dev/null |
      sed 's/^/out:/'; } 2>&1)
    described=$(sed -n 's/^out://p' <<<"$answer")
    if [[ -n $described ]]; then break; fi
  done
  know_output "$(described_value '' output)"
  if [[ -z $output ]]; then
    grep -v '^out:' <<<"$answer" | tail -n 20 >&2
    finish 2 "refused: neither the command line nor the configuration tells an output, or terramill ${subcommand[*]} --print-config fails"
  fi
  wanted=$((all_nodes > spares ? all_nodes - spares : 1))
  tensor_parallel=$(described_value train tp)
  [[ $tensor_parallel =~ ^[1-9][0-9]*$ ]] || tensor_parallel=1
  fault_limit=$(described_value fault limit)
  [[ $fault_limit =~ ^[0-9]+ ]] && fault_limit=${BASH_REMATCH[0]} || fault_limit=600
  saves_on_nodes=0  # the first attempt without anything further may have left it on the nodes' disks
  [[ -z $(described_value checkpoint local) ]] || saves_on_nodes=1
  # A folder that does not exist here is for terramill to refuse.
  for folder in "$output" "$(described_value '' corpus)" "$(described_value '' input)"; do
    [[ $folder != "$output" || -e $folder ]] || folder=$(dirname "$folder")
    if [[ -n $folder && -e $folder ]]; then shared+=("$folder"); fi
  done
  if ! in_slurm; then
    mark=${output%/}.supervised
    end_left_session "$mark" || mark=''
    TERRAMILL_SESSION=$$-$(started $$)-$RANDOM$RANDOM
    export TERRAMILL_SESSION
    [[ -z $mark ]] || mark_session "$mark"
  fi

  newest=$(progress) at_start=$newest looked_again=false
  while :; do
    wait_for_controller || stopped
    if superseded; then abandon; fi
    end_steps
    first=$((restarts == 0 && ${SLURM_RESTART_COUNT:-0} == 0))
    if ! found=$(healthy_nodes) && ((first)) && ! $stopping; then
      finish 1 "no two nodes reach each other, what MPI says is above: set TERRAMILL_LAUNCHER, or see terramill doctor"
    fi
    mapfile -t healthy < <(printf %s "$found")
    count=${#healthy[@]}
    ((count <= wanted)) || count=$wanted
    # A tensor-parallel group is whole or not there.
    while ((count > 0 && count * per_node % tensor_parallel != 0)); do count=$((count - 1)); done
    if $stopping; then stopped; fi
    if preempted; then stopped; fi
    if in_slurm && ((count < least_nodes || count == 0)) && ! $looked_again; then
      say "$count healthy nodes are too few; looking again"
      looked_again=true
      continue  # the controller may have been away, or be, while they were asked
    fi
    looked_again=false
    if ((first && ${#healthy[@]} == 0)); then finish 1 "no node is healthy at the first start: see above what each lacks"; fi
    if ((count < least_nodes || count == 0)); then
      requeue_or_finish "$((code ? code : 1))" "$count healthy nodes are too few"
    fi
    chosen=${healthy[*]:0:count}
    place_heirs "${healthy[@]}"
    if in_slurm && ((restarts)); then keep_asked_nodes; fi  # whoever requeues it
    say "attempt $((restarts + 1)): $((count * per_node)) ranks on $count nodes: $chosen; $((${#healthy[@]} - count)) spare; durable: $newest"
    launch_words $((count * per_node)) "$chosen"
    # In the background, so that this shell hears signals while the ranks run.
    "${own_session[@]}" "${surroundings[@]}" "${words[@]}" terramill "${subcommand[@]}" &
    step=$!
    ((${#own_session[@]} == 0)) || session=$step
    if $stopping; then stop; fi
    watcher=''
    if in_slurm && [[ -n $session ]]; then watch_for_preemption & watcher=$!; fi
    while kill -0 "$step" 2>/dev/null; do wait "$step"; done
    wait "$step"
    code=$?
    step=''
    [[ -z $watcher ]] || kill "$watcher" 2>/dev/null
    say "ended with $code"
    # srun gives 0 for a step whose only node was lost.
    if ((code == 0)) && lost_node "${healthy[@]:0:count}"; then
      code=1
      say "a node was lost meanwhile: not done for certain"
    fi

    case $code in
      0 | 3 | 87) finish "$code" ;;
      85 | 138) if $stopping || preempted; then stopped "$code"; fi; finish 85 "stopped" ;;  # 138: USR1 to who has nothing to save
      88)
        mapfile -t hosts < <(corrupt_hosts)
        ((${#hosts[@]})) && mapfile -t -O "${#banned[@]}" banned < <(nodes_of_hosts "${hosts[*]}" "${healthy[@]:0:count}")
        dismiss_heirs  # new ones know it
        if in_slurm && ((${#banned[@]})); then printf '%s\n' "${banned[@]}" >"$(banned_file)"; fi
        say "not used any more: ${banned[*]:-nobody, since the run could not tell which host it was}" ;;
      2) if ((first)) && ! lock_was_left; then finish 2 "refused"; fi ;;
    esac
    if $stopping; then stopped "$code"; fi
    if preempted; then stopped "$code"; fi
    # Later than the first it may be the folder's lock, held by ranks that are cut off: their watchdog ends them.
    if ((code == 2)); then
      ((refusals)) || refused_since=$SECONDS
      refusals=$((refusals + 1))
      if ((SECONDS - refused_since < fault_limit + 120)); then
        say "refused, perhaps since ranks of before still hold the folder's lock; trying again for $((fault_limit + 120)) s"
        pause_for $((2 * pause))
        continue
      fi
    else
      refusals=0
    fi
    restarts=$((restarts + 1))
    now=$(progress)
    if ((now > newest)); then stuck=0 newest=$now; else stuck=$((stuck + 1)); fi
    if ((restarts > max_restarts)); then finish "$code" "gave up: restarted $max_restarts times"; fi
    if ((stuck >= max_stuck)); then finish "$code" "gave up: $stuck attempts in a row brought nothing further than $newest"; fi
    if ((stuck > saves_on_nodes)); then
      seconds=$((pause << (stuck < 6 ? stuck - 1 : 5)))
      say "nothing further than $newest: waiting for $seconds s"
      pause_for "$seconds"
    fi
  done
}

supervise; exit
