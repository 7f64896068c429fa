#!/usr/bin/env bash
# A scaling experiment over node counts and layouts, through Slurm or on this machine; see --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"
source "$here/layouts.sh"

usage() {
  cat <<TEXT
usage: jobs/scaling.sh --config F.ini --corpus CORPUS --output FOLDER --nodes N,... [OPTION]... [-- BENCH OPTION...]
       jobs/scaling.sh --config F.ini --corpus CORPUS --output FOLDER --local --ranks R,... [OPTION]... [-- BENCH OPTION...]

Measures training steps for every layout on every number of nodes, and draws the points as FOLDER/page.html. Through
Slurm: one job array for each number of nodes, a task for each layout (jobs/scaling.sbatch), and a job that waits for all
of them and makes the page. With --local: one \`mpirun\` after the other on this machine. Submitted again, with the same
FOLDER, it measures only what is missing.

  --config F.ini      the experiment, as for pretrain
  --corpus CORPUS     on a file system that all nodes see, as is FOLDER
  --output FOLDER     points/*.jsonl, link/*.jsonl, logs/, page.html
  --nodes N,...       numbers of nodes, e.g. 1,2,4,8
  --local             measure here, without Slurm
  --ranks R,...       with --local: numbers of ranks
  --layouts L,...     tpN or tpN+zero: N tensor-parallel ranks, ZeRO-1 (tp1); what does not divide the ranks is left out
  --scaling S         strong, weak or both (both)
  --sbatch "OPTION..." further options of sbatch, e.g. "--ntasks-per-node=4 --gpus-per-node=4 --partition=gpu"
  --cores N           nodes are parts of one machine of N cores: measure one layout at a time, and tell the page (with
                      --local: this machine's)
  --wait              return when the page is made
  --dry-run           say what would be run
  BENCH OPTION        of \`terramill bench\`, e.g. --bench.repeat 5 --bench.micro_batch_size 8,16

Exit codes: 0 submitted, or with --local or --wait measured; 1 something failed; 2 bad usage.
TEXT
}

refuse() { echo "scaling: $*; see --help" >&2; exit 2; }

config='' corpus='' folder='' nodes='' ranks='' layouts=tp1 scaling=both sbatch=() cores=() local=false wait=() dry=false bench=()
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --local) local=true; shift; continue ;;
    --wait) wait=(--wait); shift; continue ;;
    --dry-run) dry=true; shift; continue ;;
    --) shift; bench=("$@"); break ;;
    --config | --corpus | --output | --nodes | --ranks | --layouts | --scaling | --sbatch | --cores)
      (($# > 1)) || refuse "$1 needs a value" ;;
    *) refuse "unknown option \"$1\" (options of bench stand behind --)" ;;
  esac
  case $1 in
    --config) config=$2 ;;
    --corpus) corpus=$2 ;;
    --output) folder=$2 ;;
    --nodes) nodes=$2 ;;
    --ranks) ranks=$2 ;;
    --layouts) layouts=$2 ;;
    --scaling) scaling=$2 ;;
    --cores)
      [[ $2 =~ ^[1-9][0-9]*$ ]] || refuse "--cores takes a whole number above 0, not \"$2\""
      cores=(--cores "$2") ;;
    --sbatch) read -ra sbatch <<<"$2" ;;
  esac
  shift 2
done

[[ -n $config ]] || refuse "--config is missing: it names the experiment, e.g. configs/mpmae-atto-mmearth64-p8.ini"
[[ -f $config ]] || refuse "--config: there is no file $config"
[[ -n $corpus ]] || refuse "--corpus is missing: a folder that \`terramill corpus build\` made"
[[ -f $corpus/manifest.json ]] || refuse "--corpus: $corpus holds no complete corpus (no manifest.json)"
[[ -n $folder ]] || refuse "--output is missing: the folder that receives points and page"
[[ $scaling =~ ^(strong|weak|both)$ ]] || refuse "--scaling is strong, weak or both, not \"$scaling\""
if $local; then
  [[ -z $nodes ]] || refuse "--nodes is for Slurm; with --local give --ranks"
  counts=$ranks what=--ranks
  ((${#cores[@]})) || cores=(--cores "$(env -u OMP_NUM_THREADS nproc)")
else
  [[ -z $ranks ]] || refuse "--ranks goes with --local; for Slurm give --nodes, and ranks by --sbatch \"--ntasks-per-node=4\""
  counts=$nodes what=--nodes
fi
[[ -n $counts ]] || refuse "$what is missing, e.g. $what 1,2,4"
[[ $counts =~ ^[1-9][0-9]*(,[1-9][0-9]*)*$ ]] || refuse "$what takes whole numbers above 0, e.g. $what 1,2,4, not \"$counts\""
IFS=, read -ra counts <<<"$counts"
IFS=, read -ra list <<<"$layouts"
for layout in "${list[@]}"; do terramill_layout_options "$layout" >/dev/null || exit 2; done

config=$(realpath "$config") corpus=$(realpath "$corpus") folder=$(realpath -m "$folder")
measure=(--config "$config" --corpus "$corpus" --bench.scaling "$scaling" "${bench[@]}")
$dry || mkdir -p "$folder"/{points,link,logs}

# Says what is run, then runs it; with --dry-run only the first.
show() {
  printf 'scaling: %s\n' "$(printf '%q ' "$@")" >&2
  if ! $dry; then "$@"; fi
}

if $local; then
  command -v terramill >/dev/null || { echo "scaling: the program is not here: run jobs/build.sh" >&2; exit 1; }
  failed=0
  for count in "${counts[@]}"; do
    for layout in "${list[@]}"; do
      terramill_layout_fits "$layout" "$count" || continue
      mapfile -t options < <(terramill_layout_options "$layout")
      show mpirun -n "$count" terramill bench "${measure[@]}" "${options[@]}" \
        --output "$folder/points/$count-ranks-$layout.jsonl" || failed=1
    done
    if ((count > 1)); then
      show mpirun -n "$count" terramill bench link --output "$folder/link/$count-ranks.jsonl" || failed=1
    fi
  done
  shopt -s nullglob
  points=("$folder"/points/*.jsonl)
  if $dry; then points=("$folder/points/*.jsonl"); fi
  ((${#points[@]})) || { echo "scaling: nothing was measured; the messages above tell why" >&2; exit 1; }
  show terramill report "${points[@]}" --output "$folder/page.html" "${cores[@]}" || failed=1
  ((failed == 0)) || echo "scaling: something failed, see above; the same command goes on with what is missing" >&2
  exit "$failed"
fi

command -v sbatch >/dev/null || { echo "scaling: sbatch is not here: run this on a login node, or use --local" >&2; exit 1; }
jobs='' job='' turns=''
((${#cores[@]})) && turns=%1
for count in "${counts[@]}"; do
  after=()
  if [[ -n $turns && -n $job ]]; then after=("--dependency=afterany:$job"); fi
  job=$(show sbatch --parsable --nodes="$count" --array="0-$((${#list[@]} - 1))$turns" "${after[@]}" \
    --output="$folder/logs/%x-$count-nodes-%a.log" "${sbatch[@]}" "$here/scaling.sbatch" "$folder" "$layouts" "${measure[@]}")
  job=${job%%;*}
  if $dry; then job=JOB; fi
  jobs+=:$job
  $dry || echo "scaling: job ${job} measures ${#list[@]} layouts on $count nodes"
done
# Where and on whose account the others run, but on one task.
page=$(show sbatch --parsable "${wait[@]}" "${sbatch[@]}" --dependency="afterany$jobs" --job-name=terramill-scaling-page \
  --nodes=1 --ntasks=1 --ntasks-per-node=1 --output="$folder/logs/%x.log" "$here/scaling.sbatch" page "$folder" "${cores[@]}") || { echo "scaling: the page was not made; the logs are in $folder/logs" >&2; exit 1; }
$dry || echo "scaling: job ${page%%;*} makes $folder/page.html when they have ended; the logs are in $folder/logs"
