#!/usr/bin/env bash
# Any command that ranks can share, or a recipe, by Jobs of Kubernetes: an Indexed Job of ranks, then a Job for the global step,
# again and again until that says "done". It waits for each; killed and called again it goes on where it was.
#
#   IMAGE=registry.example/curate:0.1.0 RANKS=64 contrib/k8s/run.sh run /data/recipe.yaml
#   IMAGE=… RANKS=64 contrib/k8s/run.sh filter --profile fineweb -o s3://corpora/clean 's3://corpora/raw/*.jsonl.zst'
#
# The arguments are a command of curate without --rank, --world-size and --finish; paths are those in the pods. What pods look like is in
# ranks.yaml and finish.yaml, which are to be made your own: volumes, secrets, node pools. The parameters are variables:
#
#   IMAGE        the program's image (contrib/container)
#   RANKS        pods of a Job (16)
#   CONCURRENCY  how many of them run at once (all)
#   MEM          MiB of a rank (8192); curate takes seven eighths of it, and eight times --max-record, which is 256MiB unless you say less
#   MEM_ALL      MiB of the global step (MEM)
#   NAME         of the Jobs (curate)
#   KUBECTL      the program, with flags such as the namespace (kubectl)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
	printf 'run.sh: %s\n' "$*" >&2
	exit 2
}

RANKS=${RANKS:-16}
CONCURRENCY=${CONCURRENCY:-$RANKS}
MEM=${MEM:-8192}
MEM_ALL=${MEM_ALL:-$MEM}
NAME=${NAME:-curate}
[ -n "${IMAGE:-}" ] || die "IMAGE is not set: the program's image, such as registry.example/curate:0.1.0"
[ $# -gt 0 ] || die "no command: such as run.sh run /data/recipe.yaml"
for argument; do
	case $argument in
	--rank | --rank=* | --world-size | --world-size=* | --finish) die "$argument is given to curate by this script; leave it out" ;;
	esac
done
for variable in RANKS CONCURRENCY MEM MEM_ALL; do
	case ${!variable} in
	'' | 0* | *[!0-9]*) die "$variable is '${!variable}', and no number from 1 on" ;;
	esac
done
read -r -a kubectl <<<"${KUBECTL:-kubectl}"

# list says its arguments as a list of JSON.
list() {
	local word all=
	for word; do
		word=${word//\\/\\\\}
		word=${word//\"/\\\"}
		case $word in *[[:cntrl:]]*) die "an argument has a line feed or a tab in it" ;; esac
		all+=${all:+,}\"$word\"
	done
	printf '[%s]' "$all"
}

# job FILE NAME MEM MORE ARGUMENTS… makes a Job and waits until it has ended; MORE is further fields of its spec, as JSON.
job() {
	local file=$1 name=$2 mem=$3 more=$4
	shift 4
	local args
	args=$(list "$@" --memory "$((mem * 7 / 8))MiB")
	# A Job cannot be changed: what an earlier call has left is deleted, and what it has done is done.
	"${kubectl[@]}" delete job "$name" --ignore-not-found --wait=true >&2
	"${kubectl[@]}" patch --local -f "$file" -o json --type strategic -p '{"metadata":{"name":"'"$name"'"},"spec":{'"$more"'"template":{"spec":{"containers":[{"name":"curate",
		"image":"'"$IMAGE"'","args":'"$args"',"resources":{"requests":{"memory":"'"$mem"'Mi"},"limits":{"memory":"'"$mem"'Mi"}}}]}}}}' |
		"${kubectl[@]}" create -f - >&2
	local state
	while state=$("${kubectl[@]}" get job "$name" -o 'jsonpath={range .status.conditions[?(@.status=="True")]}{.type} {end}'); do
		case " $state " in
		*' Complete '*) return ;;
		*' Failed '*)
			printf 'run.sh: job %s has failed; kubectl logs -l job-name=%s says why. Call this again to go on\n' "$name" "$name" >&2
			exit 1
			;;
		esac
		sleep "${POLL:-10}"
	done
	exit 1
}

while :; do
	job "$here/finish.yaml" "$NAME-finish" "$MEM_ALL" '' "$@" --finish
	# Of what the pod wrote, the word is a line of its own.
	said=$("${kubectl[@]}" logs "job/$NAME-finish" | grep -xE 'ranks|done' | tail -n 1 || true)
	case $said in
	done) break ;;
	ranks) job "$here/ranks.yaml" "$NAME-ranks" "$MEM" '"completions":'"$RANKS"',"parallelism":'"$CONCURRENCY"',' "$@" --world-size "$RANKS" ;;
	*)
		printf 'run.sh: job %s-finish wrote neither ranks nor done\n' "$NAME" >&2
		exit 1
		;;
	esac
done
