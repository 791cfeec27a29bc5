#!/usr/bin/env bash
# Near-duplicate removal by arrays of Slurm jobs, one a step, each of which waits for the one before (docs/dedup-array.md).
#
#   RUN=/shared/unique RANKS=64 contrib/slurm/dedup.sh --threshold 0.8 /shared/clean/*.jsonl.zst
#
# RUN is the output directory: an absolute path that all nodes see, or a URL. The arguments are those of curate dedup start, and are
# not needed to go on with a run. NODE_TMP is a folder on a node's own disk for what one process alone needs (without, it is in RUN). The
# other parameters are in submit.sh.
#
# Submitted again, after a failure or by mistake, it begins with the first step that is not done, and what of that is done is
# not done again. Two chains at once are harmless and a waste. It writes the steps and their jobs to stdout.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/submit.sh"

case ${RUN:-} in
'') die "RUN is not set: the output directory, an absolute path that all nodes see, or a URL" ;;
/* | *://*) ;;
*) die "RUN is '$RUN': give an absolute path, since jobs may begin in another folder" ;;
esac

if [ $# -gt 0 ]; then
	"$CURATE" dedup start --run "$RUN" "$@"
fi
status=$("$CURATE" dedup status --run "$RUN")
next=$("$CURATE" dedup status --run "$RUN" --next)

# parts of a step, of what there are files or ranges: more ranks than that would have nothing to do.
ranks() {
	local parts
	parts=$(awk -v step="$1" '$1 == step { print $4; exit }' <<<"$status")
	printf '%d\n' $((parts < RANKS ? parts : RANKS))
}

after=
skip=1
[ "$next" = done ] && printf '%s is finished\n' "$RUN" >&2
for step in sign pairs sets verify rehub components decide apply "apply --finish"; do
	[ "$step" = "$next" ] && skip=
	if [ -n "$skip" ]; then
		continue
	fi
	case $step in
	verify | rehub | components | decide) mem=$MEM_ALL ;;
	*) mem=$MEM ;;
	esac
	mapfile -t flags < <(limits "$mem")
	[ -n "${NODE_TMP:-}" ] && flags+=(--tmp "$NODE_TMP")
	case $step in
	components | decide | "apply --finish")
		after=$(submit "${step##* --}" '' "$after" "$mem" "$CURATE" dedup $step --run "$RUN" "${flags[@]}")
		;;
	*)
		n=$(ranks "$step")
		after=$(submit "$step" "$n" "$after" "$mem" "$CURATE" dedup "$step" --run "$RUN" --world-size "$n" "${flags[@]}")
		;;
	esac
	printf '%s %s\n' "${step##* --}" "$after"
done
