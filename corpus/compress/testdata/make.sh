#!/bin/sh
# Makes the files beside it with zstd 1.5, gzip 1.12, bzip2 1.0 and XZ Utils 5.4. Run by hand, never by tests: other
# versions make other bytes, and the tests need these. Every *.zst, *.gz, *.bz2, *.xz decodes to text, or, if its
# name has "twice", to text two times.
set -eu
cd "$(dirname "$0")"
awk 'BEGIN { for (i = 0; i < 120; i++) printf "{\"id\":%d,\"text\":\"kaixo mundua, hau da %d. lerroa\"}\n", i, i * i }' > text

# From a file the frame says how long its content is and is one segment; from a pipe it has a window instead.
zstd -q -c text > plain.zst
zstd -q -c --no-check text > nocheck.zst
zstd -q -c --ultra -22 --zstd=wlog=20 < text > ultra.zst
cat plain.zst nocheck.zst > twice.zst
{ printf '\120\052\115\030\005\000\000\000hello'; cat plain.zst; printf '\137\052\115\030\000\000\000\000'; } > skippable.zst
zstd -q -c --long=27 < text > window-128MiB.zst

gzip -c -n text > plain.gz
gzip -c -N text > named.gz
cat plain.gz named.gz > twice.gz
{ cat plain.gz; head -c 1000 /dev/zero; } > zeros.gz

# Small blocks and dictionaries where a test reads the file thousands of times.
bzip2 -1 -c text > plain.bz2
bzip2 -c text | cat - plain.bz2 > twice.bz2

small='--lzma2=dict=64KiB'
xz -c $small text > plain.xz
for check in none crc32 sha256; do xz -c -C $check $small text > $check.xz; done
xz -c -T2 --block-size=1000 text > blocks.xz
{ cat plain.xz; head -c 8 /dev/zero; xz -c -C crc32 $small text; head -c 4 /dev/zero; } > twice-padded.xz
xz -c --lzma2=dict=192MiB text > dict-192MiB.xz
xz -c --x86 $small text > filter-x86.xz
