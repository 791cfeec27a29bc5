# What the pre-tokenizers of HF tokenizers 0.23.3 do: python3 pretokenizers.py SEED COMPONENTS FILE.
# {"C": the component, "R": [[text, [[piece, from, to], …]], …]} in characters, or {"C", "Err"}
import json,random,sys
import tokenizers
from tokenizers import Tokenizer, models
rnd=random.Random(int(sys.argv[1])); N=int(sys.argv[2])
B=['Removed','Isolated','MergedWithPrevious','MergedWithNext','Contiguous']
def one(d=0):
    k=rnd.choice(['bert','bl','cd','dig','fl','ms','pun','split','split','us','ws','wss']+(['seq']*4 if d<2 else []))
    if k=='bert': return {'type':'BertPreTokenizer'}
    if k=='bl': return {'type':'ByteLevel','add_prefix_space':rnd.random()<.5,'trim_offsets':True,'use_regex':rnd.random()<.5}
    if k=='cd': return {'type':'CharDelimiterSplit','delimiter':rnd.choice([' ','a','é','▁','-','Ġ'])}
    if k=='dig': return {'type':'Digits','individual_digits':rnd.random()<.5}
    if k=='fl': return {'type':'FixedLength','length':rnd.randint(1,6)}
    if k=='ms': return {'type':'Metaspace','replacement':rnd.choice(['▁','▁','_','Ġ']),'prepend_scheme':rnd.choice(['always','first','never']),'split':rnd.random()<.7}
    if k=='pun': return {'type':'Punctuation','behavior':rnd.choice(B)}
    if k=='split':
        pat=rnd.choice([{'String':' '},{'String':''},{'String':'ab'},{'String':'.'},{'String':'▁'},{'Regex':r'\s+'},{'Regex':r'\d{1,3}'},{'Regex':r'x*'},{'Regex':r'(?=a)'},{'Regex':r'\b'},{'Regex':r'$'},{'Regex':r'\w+|[^\w\s]+'},{'Regex':r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"},{'Regex':r'[一-龥ぁ-ゟ゠-ヿ]+'},{'Regex':'a|'},{'Regex':r'(?<=a)|b'}])
        return {'type':'Split','pattern':pat,'behavior':rnd.choice(B),'invert':rnd.random()<.4}
    if k=='us': return {'type':'UnicodeScripts'}
    if k=='ws': return {'type':'Whitespace'}
    if k=='wss': return {'type':'WhitespaceSplit'}
    return {'type':'Sequence','pretokenizers':[one(d+1) for _ in range(rnd.randint(1,3))]}
al=['a','b','x',' ',' ','1','2','.',',','-','é','中','か','カ','▁','\n',"'s",'Don',"\u0301",'²','😀','_','А','Ġ','\u00a0','\t','ー']
def txt(): return ''.join(rnd.choice(al) for _ in range(rnd.randint(0,16)))
out=open(sys.argv[3],'w')
base={"version":"1.0","truncation":None,"padding":None,"added_tokens":[],"normalizer":None,"post_processor":None,"decoder":None,"model":{"type":"BPE","dropout":None,"unk_token":None,"continuing_subword_prefix":None,"end_of_word_suffix":None,"fuse_unk":False,"byte_fallback":False,"ignore_merges":False,"vocab":{},"merges":[]}}
for i in range(N):
    c=one(); base['pre_tokenizer']=c
    try: tk=Tokenizer.from_str(json.dumps(base))
    except BaseException as e:
        out.write(json.dumps({'C':c,'Err':str(e)})+'\n'); continue
    rows=[]
    for _ in range(4):
        s=txt()
        try: r=tk.pre_tokenizer.pre_tokenize_str(s)
        except BaseException as e: continue
        rows.append([s,[[t,a,b] for t,(a,b) in r]])
    out.write(json.dumps({'C':c,'R':rows})+'\n')
