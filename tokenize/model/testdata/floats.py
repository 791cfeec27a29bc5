# Numbers, and as what HF tokenizers reads them: floats.py > FILE
import json, random
from tokenizers import Tokenizer

random.seed(1)
numbers = [repr(-random.random() * random.choice([1, 10, 20, 1e-5, 1e200])) for _ in range(392)]
numbers += ["-13.543437004089355", "1", "-0", "123456789012345678901234567890", "0.1234567890123456789012345678901",
            "-1e-400", "1.5E+3", "-2.25e-310", "18446744073709551615", "18446744073709551616", "184467440737095516159.5",
            "1844674407370955162000.0625", "0.00000000000000000000018446744073709551617"]
vocab = ",".join(f'["t{i}",{x}]' for i, x in enumerate(numbers))
t = Tokenizer.from_str('{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,'
                       '"post_processor":null,"decoder":null,"model":{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[' + vocab + ']}}')
for number, (_, read) in zip(numbers, json.loads(t.to_str())["model"]["vocab"]):
    print(number, float(read).hex())
