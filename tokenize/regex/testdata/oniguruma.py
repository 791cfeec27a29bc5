# What Oniguruma in HF tokenizers 0.23.3 matches: python3 oniguruma.py SEED RANDOM_PATTERNS FILE; seed 0 has the list below.
# {"P": pattern, "T": texts, "R": for each, the matches that are not empty as [from, to, 0] in bytes} or {"P", "Err"}
import json,sys,random
from tokenizers import Regex, pre_tokenizers as p
def run(pat,texts):
    try: sp=p.Split(Regex(pat),'removed',True)
    except BaseException as e: return {'P':pat,'Err':str(e)}
    R=[]
    for s in texts:
        r=sp.pre_tokenize_str(s)
        off=[0]
        for c in s: off.append(off[-1]+len(c.encode()))
        R.append([[off[a],off[b],0] for _,(a,b) in r])
    return {'P':pat,'T':texts,'R':R}
hand=[l for l in r"""[\w-a]
[a-\w]
[a&&-x]
[]a]
[^]a]
[]
a**
a*?+
a+?
*a
a{,3}
a{3,2}
a{3,2}?
a{2,3}+b
a{
a{,}
a{2
(?=a)*
^*
\b+
a{2}?
a{2}+
[z-a]
(?s)a.
(?m)a.
(?i-m:a)
\p{latin}
\p{Script=Latin}
[[:alpha:]]
[[:^alpha:]]
[^[:alpha:]]
[[:punct:]]
\p{Punct}
\p{PosixPunct}
[[:foo:]]
[:alpha:]
\xE4\xB8\xAD
\x80
\x41
[\x41-\x5a]
(?<n>a)(b)
(?'n'a)
(?P<n>a)
(?<=a|bc)b
(?<!a|bc)b
(?<!^)a
(?<=\Aa)b
(?>a*)a
(?>a|ab)b
a|*
(|a)+
(a|)+b
(a|)*?b
(?:)
[a-\d]
[--a]
[a--]
[!--]
[a-b-c]
[a-b-]
[0-9-a]
[\d-]
[-\d]
[&&a]
[a&&]
[^&&a]
[a-z&&[^aeiou]]
[a-z&&[^aeiou]&&[b-y]]
[^a-z&&[^aeiou]]
[a-z&&^a]
[a[bc]d]
[a-[bc]]
[^[^a]]
[\p{L}&&[^\p{Lu}]]
[\p{L}&&\p{ASCII}]
\N+
\O+
\R+
\o{101}
\u0041
\ua
(?:a{10}){10}
(?<=a{1,3})b
(?:(?i)a|b)c
a(?i)b|c
(?u)a
\p{Other}
\p{^L}+
\P{^L}+
[\p{^L}]+
\pL
[\pL]
a$
$
^a
b$
\Z
a\Z
a\z
^.
(?m)^.*$
^.*$
.*
(?:a?)*?b
(?:a*?)*
(?:a*?)+
(?:a+)?
(?:a+)??b
(?:a?)??b
(?:a+?)*b
(?:a*)+?b
(?:a*){2,3}b
(?:a?){3}b
(?:ab?)+
(?:a|b)*c
(a*)*b
(a|aa)+$
((a*)*)*c
(?:(?:a?)*b?)*c
\bB
\Ba
\b\w+\b
\w+
\W+
\s+
\S+
\d+
\D+
\h+
\H+
(?x) a b  c # foo
(?x) a + b
(?#foo)a(?#bar)+
[\n-\r]
[\t ]
\e\a\f
\cA
[[a]
a]
a}
)
(
(a
(?
(?i
(?<a
a\
[a\
\p{
\p{Foo}
x{0}y?
(?:x{0})+a
a{0,0}b
a{1}{2}
a{2}{3}
a{1,2}{3}
(?:a{2}){3}b?
(?i)ab+C
(?i:ab)c
(?i)[a-c]+
(?i)[^a-c]+
(?i)ß
(?i)ss
(?i)sst
(?i)ssst
(?i)ffi
(?i)ffff
(?i)[ß]i?
(?i)\p{Lu}+
(?i)[\p{Lu}]+
(?i)[^\p{Lu}]+
(?i)[[:upper:]]+
(?i)ſ
(?i)k
(?i)İ
(?i)θ
(?i)s(?:s)
(?i)s(s)
(?i:s)(?i:s)
(?i)(?<=ss)a
\p{Han}+
\p{Hiragana}|\p{Katakana}
[一-龥ぁ-ゟ゠-ヿ]+
\p{Emoji}
\p{Extended_Pictographic}
(?!a)\w
(?=ab)\w
(?!ab|b)\w+
(?=(a|b)c).
(?=.*c)a
(?!.*c)a
\s+(?!\S)
\s+(?!\S)|\s+
(?<=\s)\S+
(?<!\S)\S+
\X
\K
\G
\y
(?~a)
(a)\1
\k<n>
(?(1)a|b)
[a-z]++a
[a-z]*+a
[a-z]?+a
(?:ab)++a
(?:ab)?+a
\p{L}{1,2}
\p{N}{1,3}
\p{N}{1,3}(?=(?:\p{N}{3})*+(?:\P{N}|$))
\-\!\"\ \/\<\>\_
\,\;\%\&\~\@
\q\j\i\l\m
[\q\j\B\R\X]
\8
[\8]
\0
\012
[\012]
\101
\u00e9
é+
[é-ü]+
\x{e9}
\x{110000}
\uD800
(?i-i:a)b
(?-i)a
(?mi-x:a.b)
(?W)a
(?y{g})a
(?^:a)
(?P=n)
'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s+
(?:a(?=b)|ab)b
(?:(?<=a)b|ab)+
(?!)a
(?=)a
(?<=)a
(?<!)a
(?:(?!ab)[ab])+
(?>(?:a|b)+?)c
a(?:b|c(?:a|b))*?c
""".split('\n') if l]
base="aabbbcaaA AB中 \nBa1-x*ßss ſK'll don't 12345\n  \t é漢字かなカナ e\u0301 😀👍🏽 ffi ffiﬀ sst ßt\r\n\r_ a!? abab ababc 1234567 .\u00a0\u2028\x85zz]}-[^&~ "
texts=[base,"","a","\n","a\n","\na","ab","aaab","aab\nab\n","abcabcabc","ss ẞ SS ſs Ss","İi̇Iı θϑΘϴ kKK","aAbBcCdD","aaaaaaaaab", "ac bc abc aabbc bca","'LL 'll I'M ''s","  \n  \n\n a  b   "]
rnd=random.Random(int(sys.argv[1])); N=int(sys.argv[2])
out=open(sys.argv[3],'w')
if sys.argv[1]=='0':
    for h in hand: out.write(json.dumps(run(h,texts))+'\n')
alpha=['a','b','c','a','b',' ','\n','A','1','é','中','s','ß','-']
def cls(d=0):
    items=[]
    for _ in range(rnd.randint(1,3)):
        items.append(rnd.choice([lambda:rnd.choice('abcs1 é中A-_'),lambda:'a-c',lambda:r'\s',lambda:r'\S',lambda:r'\w',lambda:r'\d',lambda:r'\p{L}',lambda:r'\p{Lu}',lambda:r'\P{Ll}',lambda:r'\n',lambda:'[:alpha:]',lambda:'[:space:]',lambda:'&&'+rnd.choice('abc')+'-z',lambda:cls(d+1) if d<2 else 'b'])())
    return '['+rnd.choice(['','','^'])+''.join(items)+']'
def gen(d):
    r=rnd.random()
    if d<=0 or r<0.35:
        return rnd.choice([lambda:rnd.choice(['a','b','c','a','b',' ','ab','bc','1','A','é','中','ss','ß','s']),lambda:rnd.choice([r'\s',r'\S',r'\w',r'\W',r'\d',r'.',r'\p{L}',r'\p{Lu}',r'\p{N}',r'\n',r'\R',r'\h']),cls,lambda:rnd.choice(['^','$',r'\b',r'\B',r'\A',r'\z',r'\Z'])])()
    if r<0.55: return ''.join(gen(d-1) for _ in range(rnd.randint(1,3)))
    if r<0.68: return '(?:'+'|'.join(gen(d-1) for _ in range(rnd.randint(1,3)))+')'
    if r<0.9:
        x=gen(d-1)
        q=rnd.choice(['*','+','?','*?','+?','??','*+','++','?+','{2}','{1,2}','{0,3}','{2,}','{,2}','{1,3}?','{2,1}','{2}?','{2}+','{1,2}+'])
        if len(x)>1 and rnd.random()<0.85: x=rnd.choice(['(?:','(','(?:'])+x+')'
        return x+q
    if r<0.96: return rnd.choice(['(?=','(?!','(?>','(?<=','(?<!','(?i:','(?i)','(?m:'])+gen(d-1)+')'
    return '|'.join(gen(d-1) for _ in range(2))
def txt():
    al=rnd.choice([['a','b'],['a','b','c',' '],alpha,alpha])
    return ''.join(rnd.choice(al) for _ in range(rnd.randint(0,24)))
n=0
while n<N:
    pat=gen(rnd.randint(1,4))
    try: r=run(pat,[txt() for _ in range(4)])
    except BaseException as e:
        sys.stderr.write(repr(pat)+repr(e)[:100]+'\n'); continue
    out.write(json.dumps(r)+'\n'); n+=1
