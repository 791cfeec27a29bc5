# What dedup.sh, run.sh and finish.sh share; to be sourced. The parameters are variables, which jobs inherit:
#
#   CURATE       path of the program on the nodes (curate)
#   RANKS        tasks of an array (16)
#   CONCURRENCY  how many of them run at once (all)
#   CPUS         cores of a task (4)
#   MEM          MiB of a task (8192); curate takes seven eighths of it, and eight times --max-record, which is 256MiB unless you say less
#   MEM_ALL      MiB of a task that holds something of all documents (MEM): see docs/scale.md
#   LOGS         folder for messages (slurm-logs in the current one)
#   NAME         of the jobs (curate)
#
# Partition, account, time limit and the like are Slurm's own variables: SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT.

CURATE=${CURATE:-curate}
RANKS=${RANKS:-16}
CONCURRENCY=${CONCURRENCY:-$RANKS}
CPUS=${CPUS:-4}
MEM=${MEM:-8192}
MEM_ALL=${MEM_ALL:-$MEM}
LOGS=${LOGS:-$PWD/slurm-logs}
NAME=${NAME:-curate}
export CURATE RANKS CONCURRENCY CPUS MEM MEM_ALL LOGS NAME

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 2
}

for variable in RANKS CONCURRENCY CPUS MEM MEM_ALL; do
	case ${!variable} in
	'' | 0* | *[!0-9]*) die "$variable is '${!variable}', and no number from 1 on" ;;
	esac
done
case $CURATE in
*/*) [ -x "$CURATE" ] || die "CURATE: $CURATE is no program" ;;
*) command -v "$CURATE" >/dev/null || die "there is no $CURATE in PATH; give CURATE=/shared/bin/curate" ;;
esac
command -v sbatch >/dev/null || die "there is no sbatch; run this where Slurm's commands are"
# The largest index of an array is one below MaxArraySize, which is 1001 unless the cluster says otherwise.
most=$(scontrol show config | sed -n 's/^MaxArraySize *= *\([0-9]*\).*/\1/p')
if [ -n "$most" ] && [ "$RANKS" -gt $((most - 1)) ]; then
	die "RANKS is $RANKS, and an array of this cluster has at most $((most - 1)) tasks (MaxArraySize); a rank may take many files"
fi
mkdir -p "$LOGS"

# submit STEP RANKS AFTER MEM COMMAND… submits a job, of so many tasks if RANKS is not empty, when job AFTER has succeeded, and
# says its number. A task that loses its node is requeued by Slurm; so is one that somebody requeues by hand. When one
# fails for good, those that wait for it are cancelled in place of waiting for ever.
submit() {
	local step=$1 ranks=$2 after=$3 mem=$4
	shift 4
	local options=(--parsable --export=ALL --requeue --open-mode=append --kill-on-invalid-dep=yes --job-name="$NAME-$step" --ntasks=1
		--cpus-per-task="$CPUS" --mem="${mem}M" --output="$LOGS/%x-%j.log")
	if [ -n "$ranks" ]; then
		options+=(--array="0-$((ranks - 1))%$CONCURRENCY" --output="$LOGS/%x-%A_%a.log")
	fi
	if [ -n "$after" ]; then
		options+=(--dependency="afterok:$after")
	fi
	local job
	job=$(sbatch "${options[@]}" "$here/job.sh" "$@") || return
	printf '%s\n' "${job%%;*}" # of several clusters the name follows
}

# limits says what a task of so many MiB may take, as flags of curate.
limits() {
	printf '%s\n' --jobs "$CPUS" --memory "$(($1 * 7 / 8))MiB"
}
