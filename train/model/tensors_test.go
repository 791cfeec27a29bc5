package model

import (
	"fmt"
	"strings"
	"testing"
)

func TestLayout(t *testing.T) {
	show := func(c *Config) string {
		var b strings.Builder
		at := 0
		for _, x := range NewLayout(c).Tensors {
			if x.Offset != at {
				t.Errorf("%s lies at %d, not at %d", x.Name, x.Offset, at)
			}
			at += x.Len()
			shape := fmt.Sprintf("%d×%d", x.Rows, x.Cols)
			if x.Vector {
				shape = fmt.Sprint(x.Cols)
			}
			if x.Transposed {
				shape += "T"
			}
			fmt.Fprintln(&b, x.Name, x.Layer, []string{"embedding", "head", "hidden", "residual", "norm", "bias"}[x.Role], shape)
		}
		if l := NewLayout(c); l.Len != at {
			t.Errorf("the layout has %d numbers, its tensors %d", l.Len, at)
		}
		return b.String()
	}
	llama := &Config{Family: Llama, Vocabulary: 9, Width: 4, Layers: 1, Heads: 2, KVHeads: 1, HeadSize: 2, FFN: 5}
	if got, want := show(llama), `model.embed_tokens.weight -1 embedding 9×4
model.layers.0.input_layernorm.weight 0 norm 4
model.layers.0.self_attn.q_proj.weight 0 hidden 4×4
model.layers.0.self_attn.k_proj.weight 0 hidden 2×4
model.layers.0.self_attn.v_proj.weight 0 hidden 2×4
model.layers.0.self_attn.o_proj.weight 0 residual 4×4
model.layers.0.post_attention_layernorm.weight 0 norm 4
model.layers.0.mlp.gate_proj.weight 0 hidden 5×4
model.layers.0.mlp.up_proj.weight 0 hidden 5×4
model.layers.0.mlp.down_proj.weight 0 residual 4×5
model.norm.weight -1 norm 4
lm_head.weight -1 head 9×4
`; got != want {
		t.Errorf("layout is\n%swant\n%s", got, want)
	}
	btlm := &Config{Family: BTLM, Vocabulary: 9, Width: 4, Layers: 1, Heads: 2, KVHeads: 2, HeadSize: 2, FFN: 5, Tied: true}
	if got, want := show(btlm), `transformer.wte.weight -1 embedding 9×4
transformer.h.0.ln_1.weight 0 norm 4
transformer.h.0.ln_1.bias 0 bias 4
transformer.h.0.attn.c_attn.weight 0 hidden 12×4T
transformer.h.0.attn.c_attn.bias 0 bias 12
transformer.h.0.attn.c_proj.weight 0 residual 4×4T
transformer.h.0.attn.c_proj.bias 0 bias 4
transformer.h.0.ln_2.weight 0 norm 4
transformer.h.0.ln_2.bias 0 bias 4
transformer.h.0.mlp.c_fc2.weight 0 hidden 5×4T
transformer.h.0.mlp.c_fc.weight 0 hidden 5×4T
transformer.h.0.mlp.c_fc2.bias 0 bias 5
transformer.h.0.mlp.c_fc.bias 0 bias 5
transformer.h.0.mlp.c_proj.weight 0 residual 4×5T
transformer.h.0.mlp.c_proj.bias 0 bias 4
transformer.ln_f.weight -1 norm 4
transformer.ln_f.bias -1 bias 4
`; got != want {
		t.Errorf("layout is\n%swant\n%s", got, want)
	}
}
