package train

import (
	"strings"
	"testing"
)

func TestReadMetrics(t *testing.T) {
	const text = `{"step":0,"validation_loss":2,"bits_per_token":3,"targets":4}
{"step":0,"stage":0,"tokens":5,"loss":1.5,"grad_norm":2,"learning_rate":0,"rows":1,"length":8}
`
	for _, c := range []struct {
		text               string
		steps, validations int
		want               string
	}{
		{text, 1, 1, ""},
		{text + `{"step":1,"st`, 1, 1, ""},
		{"", 0, 0, ""},
		{text + "{}x\n", 0, 0, "m (byte 157): "},
		{text + `{"step":1,"speed":3}` + "\n", 0, 0, "speed"},
	} {
		steps, validations, err := ReadMetrics("m", []byte(c.text))
		if len(steps) != c.steps || len(validations) != c.validations || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v %v", c.text, steps, validations, err)
		}
	}
}

// FuzzReadMetrics reads what it has read as often as it likes.
func FuzzReadMetrics(f *testing.F) {
	f.Add([]byte(`{"step":0,"validation_loss":2,"bits_per_token":3,"targets":4}` + "\n"))
	f.Add([]byte(`{"step":0,"stage":0,"tokens":5,"loss":1.5,"grad_norm":2,"learning_rate":0,"rows":1,"length":8}` + "\n{"))
	f.Add([]byte(`{"step":0,"stage":0,"tokens":5,"loss":1.5,"grad_norm":2,"learning_rate":0,"rows":1,"length":8,"token_loss":2,"dpo":{"pairs":1,"loss":0.7}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		steps, validations, err := ReadMetrics("m", b)
		if lines := strings.Count(string(b), "\n"); err == nil && len(steps)+len(validations) != lines || err != nil && len(steps)+len(validations) > 0 {
			t.Errorf("%d steps and %d validations of %d lines, %v", len(steps), len(validations), lines, err)
		}
	})
}

// FuzzReadConfig never gives a Config that does not come out as it went in.
func FuzzReadConfig(f *testing.F) {
	c := Default()
	c.Model, c.DPO, c.Mix = &Shape{Width: 3}, &DPO{Beta: 0.1}, []Mix{{Shards: "x", Share: 0.5}}
	b, err := c.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ReadConfig("c", b)
		if err != nil {
			return
		}
		again, err := c.Encode()
		if err != nil {
			return // a string that is no UTF-8
		}
		back, err := ReadConfig("c", again)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := differences(c, back); err != nil || len(list) > 0 {
			t.Errorf("%v, %v", list, err)
		}
		if err := c.Check(); err == nil && (c.Shards == "" || !(c.LearningRate > 0)) {
			t.Errorf("%s passes", again)
		}
	})
}
