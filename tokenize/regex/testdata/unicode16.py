# Makes ../unicode16.go of src/unicode_property_data.c of Oniguruma 6.9.10: python3 unicode16.py unicode_property_data.c
import base64, re, sys, zlib

src = open(sys.argv[1]).read()
ranges = {}
for m in re.finditer(r'CR_(\w+)\[\] = \{ (\d+),(.*?)\};', src, re.S):
    n = [int(x, 16) for x in re.findall(r'0x[0-9a-fA-F]+', m.group(3))]
    assert len(n) == 2 * int(m.group(2)), m.group(1)
    ranges[m.group(1)] = list(zip(n[::2], n[1::2]))
for m in re.finditer(r'#define CR_(\w+) CR_(\w+)', src):
    ranges[m.group(1)] = ranges[m.group(2)]
order = re.findall(r'CR_(\w+),?', re.search(r'const CodeRanges\[\] = \{(.*?)\};', src, re.S).group(1))
pool = {int(a): b for a, b in re.findall(r'unicode_prop_name_pool_str(\d+)\[sizeof\("([^"]*)"\)\]', src)}
names = {pool[int(a)]: order[int(b)] for a, b in re.findall(r'\{pool_offset\((\d+)\),\s*(\d+)\}', src)}
left_out = lambda n: n.startswith(('In_', 'Grapheme_Cluster_Break', 'Age_')) or n in ('InCB', 'NEWLINE')

first, props = {}, []
for n in order:
    if not left_out(n) and tuple(ranges[n]) not in first:
        first[tuple(ranges[n])] = n
        props.append(n)
called = {}
for name, n in names.items():
    if not left_out(n):
        called.setdefault(first[tuple(ranges[n])], set()).add(name)


def uvarint(n):
    out = b''
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


data = b''
for n in props:
    s = ' '.join(sorted(called.get(n, {n.lower().replace('_', '')}))).encode()
    b, last = b'', 0
    for a, e in ranges[n]:
        b += uvarint(a - last) + uvarint(e - a)
        last = e
    data += uvarint(len(s)) + s + uvarint(len(ranges[n])) + uvarint(len(b)) + b
text = base64.b64encode(zlib.compress(data, 9)).decode()
lines = ['\t"%s"' % text[i:i + 116] for i in range(0, len(text), 116)]
old = open('../unicode16.go').read()
mark = 'const properties = "" +\n'
open('../unicode16.go', 'w').write(old[:old.index(mark)] + mark + ' +\n'.join(lines) + '\n')
