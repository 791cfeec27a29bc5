"""Random texts of what NLTK's rules look at, and what NLTK 3.8.1 answers with nltk_data/tokenizers/punkt.

Writes random.jsonl; the committed file has 31 texts more, of a longer run, which an earlier version of ours got wrong."""
import json,random,nltk
nltk.data.path=['nltk_data']
from nltk.tokenize import word_tokenize
st=nltk.data.load('tokenizers/punkt/english.pickle')
p=st._params
random.seed(5)
abbr=sorted(p.abbrev_types); starters=sorted(p.sent_starters); cols=sorted(p.collocations); ortho=sorted(k for k in p.ortho_context if p.ortho_context[k])
chars=list("..\"\"''``,,::--??!!;()[]{}<>*#@$%&  \n\t") + ["«","»","“","”","‘","’","„","\u00a0","\x1f","é","İ","a","b","I","S","5","0","٣","_","…","—","''","``","--","...",". . ."]
words=["cannot","Gonna","d'ye","GIMME","gotta","lemme","more'n","wanna","'tis","'Twas","can't","I'll","they'RE","we've","dogs'","it's","I'm","he'D","x'S","'a","'é","'s","rock'n'roll","e.g.","U.S.","J.","b.","No.","3.","-1.5.","1,000","12:30","a.m.","ſ","'ſ","K.","a_b","wannabe","xcannot","a-cannot-b"]
def piece():
    r=random.random()
    if r<.4: return random.choice(chars)
    if r<.6: return random.choice(words)
    if r<.7: return random.choice(abbr)+random.choice([".",". ","."])
    if r<.75: return random.choice(starters).capitalize()
    if r<.8:
        a,b=random.choice(cols); return (a if a!='##number##' else '7')+'. '+b
    if r<.92:
        w=random.choice(ortho); return random.choice([w,w.capitalize(),w.upper()])
    return " "
rows=[]
with open('random.jsonl','w') as f:
    for i in range(2500):
        t=''.join(piece() for _ in range(random.randint(1,14)))
        t=t[:200]
        f.write(json.dumps({'text':t,'id':str(i),'sents':list(st.span_tokenize(t)),'words':word_tokenize(t)},ensure_ascii=False)+'\n')
