package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// machine runs the few instructions of which tiles are made, so that those of AVX-512 are run where no processor can.
type machine struct {
	gp     map[reg.Index]int64
	vec    [32][16]float32
	params map[string]int64
	memory map[int64][]float32 // by the address of its first number
	flag   int64               // the last result: its sign and whether it is 0
	bytes  []byte              // of an instruction that the assembler does not know
}

// number is where m points to.
func (x *machine) number(m operand.Mem, i int) (*float32, error) {
	base := x.gp[m.Base.(reg.Physical).PhysicalIndex()] + int64(m.Disp) + int64(4*i)
	if m.Index != nil {
		base += x.gp[m.Index.(reg.Physical).PhysicalIndex()] * int64(m.Scale)
	}
	for from, data := range x.memory {
		if d := base - from; d >= 0 && d < int64(4*len(data)) && d%4 == 0 {
			return &data[d/4], nil
		}
	}
	return nil, fmt.Errorf("%#x is outside of the operands", base)
}

// vector gives the numbers of a register or of memory. With one, it is the first one for all.
func (x *machine) vector(op operand.Op, n int, one bool) (v [16]float32, err error) {
	for i := range n {
		switch op := op.(type) {
		case operand.Mem:
			p, err := x.number(op, map[bool]int{false: i}[one])
			if err != nil {
				return v, err
			}
			v[i] = *p
		case reg.Physical:
			v[i] = x.vec[op.PhysicalIndex()][i]
		}
	}
	return v, nil
}

func (x *machine) integer(op operand.Op) (int64, error) {
	switch op := op.(type) {
	case operand.Mem:
		if v, ok := x.params[op.Symbol.Name]; ok {
			return v, nil
		}
	case reg.Physical:
		return x.gp[op.PhysicalIndex()], nil
	case operand.U8:
		return int64(op), nil
	case operand.U32:
		return int64(op), nil
	}
	return 0, fmt.Errorf("unknown operand %s", op.Asm())
}

func (x *machine) run(f *ir.Function) error {
	labels := map[string]int{}
	for i, n := range f.Nodes {
		if l, ok := n.(ir.Label); ok {
			labels[string(l)] = i
		}
	}
	for pc, left := 0, 1<<20; pc < len(f.Nodes); pc++ {
		n, ok := f.Nodes[pc].(*ir.Instruction)
		if !ok {
			continue
		}
		if left--; left == 0 {
			return fmt.Errorf("no end")
		}
		if n.Opcode == "RET" {
			return nil
		}
		jump, err := x.step(n)
		if err != nil {
			return fmt.Errorf("%s %v: %w", n.Opcode, n.Operands, err)
		}
		if jump {
			pc = labels[string(n.Operands[0].(operand.LabelRef))]
		}
	}
	return fmt.Errorf("no RET")
}

func (x *machine) step(n *ir.Instruction) (jump bool, err error) {
	last := n.Operands
	if len(last) > 0 {
		last = last[len(last)-1:]
	}
	if n.Opcode != "BYTE" && len(x.bytes) > 0 {
		return false, fmt.Errorf("within the bytes % x", x.bytes)
	}
	switch n.Opcode {
	case "PREFETCHT0", "VZEROUPPER":
	case "JZ", "JE":
		return x.flag == 0, nil
	case "JNZ":
		return x.flag != 0, nil
	case "JL":
		return x.flag < 0, nil
	case "JGE":
		return x.flag >= 0, nil
	case "CMPB":
		x.flag, err = x.integer(n.Operands[0])
	case "MOVQ", "ADDQ", "SUBQ", "SHLQ", "DECQ":
		v, err := x.integer(n.Operands[0])
		if err != nil {
			return false, err
		}
		to := last[0].(reg.Physical).PhysicalIndex()
		switch n.Opcode {
		case "MOVQ": // keeps flags
			x.gp[to] = v
			return false, nil
		case "ADDQ":
			x.gp[to] += v
		case "SUBQ":
			x.gp[to] -= v
		case "SHLQ":
			x.gp[to] <<= v
		case "DECQ":
			x.gp[to]--
		}
		x.flag = x.gp[to]
	case "BYTE":
		if x.bytes = append(x.bytes, byte(n.Operands[0].(operand.U8))); len(x.bytes) == 6 {
			err = x.dot()
			x.bytes = x.bytes[:0]
		}
	default:
		return false, x.stepVector(n.Opcode, n.Operands)
	}
	return false, err
}

func (x *machine) stepVector(opcode string, ops []operand.Op) error {
	to, isRegister := ops[len(ops)-1].(reg.Physical)
	size := 0 // numbers
	for _, op := range ops {
		if r, ok := op.(reg.Physical); ok {
			size = max(size, int(r.Size())/4)
		}
	}
	var in [2][16]float32
	for i := range min(2, len(ops)) {
		var err error
		if in[i], err = x.vector(ops[i], size, opcode == "VBROADCASTSS"); err != nil {
			return err
		}
	}
	if !isRegister {
		if opcode != "VMOVUPS" {
			return fmt.Errorf("unknown")
		}
		for i := range size {
			p, err := x.number(ops[1].(operand.Mem), i)
			if err != nil {
				return err
			}
			*p = in[0][i]
		}
		return nil
	}
	sum := &x.vec[to.PhysicalIndex()]
	old := *sum
	*sum = [16]float32{} // what the vector does not have is zeroed
	for i := range size {
		switch opcode {
		case "VXORPS", "VPXORD":
			sum[i] = math.Float32frombits(math.Float32bits(in[0][i]) ^ math.Float32bits(in[1][i]))
		case "VMOVUPS", "VBROADCASTSS":
			sum[i] = in[0][i]
		case "VADDPS":
			sum[i] = in[0][i] + in[1][i]
		case "VFMADD231PS":
			sum[i] = old[i] + in[0][i]*in[1][i]
		default:
			return fmt.Errorf("unknown")
		}
	}
	return nil
}

// dot runs EVEX.512.F3.0F38.W0 52 /r with registers, as Intel's manual has it.
func (x *machine) dot() error {
	b := x.bytes
	field := func(i, from, n int) byte { return b[i] >> from & (1<<n - 1) }
	// Escape; reserved bit and map; W, a bit that is set, prefix; no z, 512 bits, no broadcast, no mask; opcode; registers.
	if b[0] != 0x62 || field(1, 0, 4) != 0b0010 || field(2, 7, 1) != 0 || field(2, 0, 3) != 0b110 ||
		field(3, 4, 4) != 0b0100 || field(3, 0, 3) != 0 || b[4] != 0x52 || field(5, 6, 2) != 0b11 {
		return fmt.Errorf("% x is not VDPBF16PS", b)
	}
	inverted := ^b[1]
	r := field(5, 3, 3) | inverted>>7&1<<3 | inverted>>4&1<<4
	m := field(5, 0, 3) | inverted>>5&1<<3 | inverted>>6&1<<4
	v := ^b[2]>>3&15 | ^b[3]>>3&1<<4
	for i := range 16 {
		p, q := math.Float32bits(x.vec[v][i]), math.Float32bits(x.vec[m][i])
		for _, shift := range []int{0, 16} { // the lower half of a number is its first
			x.vec[r][i] += math.Float32frombits(p>>shift<<16) * math.Float32frombits(q>>shift<<16)
		}
	}
	return nil
}

// Tiles make the product, with whole numbers that have no rounding, and touch nothing else.
func TestTiles(t *testing.T) {
	c := build.NewContext()
	gemm(c)
	file, err := c.Result()
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*ir.Function{}
	for _, f := range file.Functions() {
		functions[f.Name] = f
	}
	for _, u := range units {
		for rows := 1; rows <= u.rows; rows++ {
			for k := 1; k <= 9; k++ {
				panels := 1
				if rows == u.rows {
					panels = 1 + k%3
				}
				name := fmt.Sprintf("tile%sx%d", u.name, rows)
				if err := tileTest(functions[name], u, rows, panels, k, k%2 == 0); err != nil {
					t.Errorf("%s, %d panels, %d steps: %v", name, panels, k, err)
				}
			}
		}
	}
}

func tileTest(f *ir.Function, u unit, rows, panels, k int, add bool) error {
	cols := u.size / 2
	ldc := cols + 3
	next := 1
	number := func() float32 {
		next = next * 7 % 31
		return float32(next - 15)
	}
	const canary = 12345
	// Steps of B lie apart; the last one ends where memory does.
	step := cols + 5
	pairs := strings.HasPrefix(u.name, "BF16")
	fill := func(x []float32) []float32 {
		for i := range x {
			if x[i] = number(); pairs {
				x[i] = math.Float32frombits(math.Float32bits(x[i])>>16 | math.Float32bits(number()))
			}
		}
		return x
	}
	a, b := fill(make([]float32, (panels-1)*k*u.rows+(k-1)*u.rows+rows)), fill(make([]float32, (k-1)*step+cols))
	c := make([]float32, (panels*rows-1)*ldc+cols)
	want := make([]float32, len(c))
	for i := range c {
		c[i], want[i] = canary, canary
		y, x := i/ldc, i%ldc
		if x >= cols {
			continue
		}
		c[i] = number()
		if want[i] = 0; add {
			want[i] = c[i]
		}
		for l := range k {
			p, q := a[y/rows*k*u.rows+l*u.rows+y%rows], b[l*step+x]
			if !pairs {
				want[i] += p * q
				continue
			}
			m, n := math.Float32bits(p), math.Float32bits(q)
			want[i] += math.Float32frombits(m<<16)*math.Float32frombits(n<<16) +
				math.Float32frombits(m&^0xffff)*math.Float32frombits(n&^0xffff)
		}
	}
	x := machine{gp: map[reg.Index]int64{}, memory: map[int64][]float32{1 << 20: a, 2 << 20: b, 3 << 20: c}}
	x.params = map[string]int64{
		"k": int64(k), "panels": int64(panels), "a": 1 << 20, "b": 2 << 20, "step": int64(4 * step), "c": 3 << 20, "ldc": int64(ldc), "add": 0,
	}
	if add {
		x.params["add"] = 1
	}
	for i := range x.vec { // what registers hold before
		for j := range x.vec[i] {
			x.vec[i][j] = 99
		}
	}
	if err := x.run(f); err != nil {
		return err
	}
	for i := range c {
		if c[i] != want[i] {
			return fmt.Errorf("c(%d, %d) is %v, not %v", i/ldc, i%ldc, c[i], want[i])
		}
	}
	return nil
}
