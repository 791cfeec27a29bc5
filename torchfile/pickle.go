package torchfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// What a pickle can make, beside nil, bool, int64, float64, string and *Tensor.
type (
	tuple  []any
	list   struct{ items []any }
	dict   struct{ keys, values []any }
	global string // "module name": one of callables or storages
	mark   struct{}
)

// callables are what a pickle may call, and what is made instead. What they get is the tuple of arguments.
var callables = map[string]func(args tuple) (any, error){
	"collections OrderedDict": func(args tuple) (any, error) {
		if len(args) != 0 {
			return nil, fmt.Errorf("an OrderedDict of %d arguments", len(args))
		}
		return &dict{}, nil
	},
	// _rebuild_parameter(data, requires_grad, backward_hooks)
	"torch._utils _rebuild_parameter": func(args tuple) (any, error) {
		if len(args) == 3 {
			if t, ok := args[0].(*Tensor); ok {
				return t, nil
			}
		}
		return nil, fmt.Errorf("a parameter of %d arguments that are not a tensor and two more", len(args))
	},
	// _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None)
	"torch._utils _rebuild_tensor_v2": func(args tuple) (any, error) {
		if len(args) == 6 || len(args) == 7 {
			s, ok := args[0].(*storage)
			offset, isInt := args[1].(int64)
			shape, sized := integers(args[2])
			strides, strided := integers(args[3])
			if ok && isInt && sized && strided {
				return newTensor(s, offset, shape, strides)
			}
		}
		return nil, fmt.Errorf("a tensor of %d arguments that are not storage, offset, shape and strides", len(args))
	},
}

// maxDims is how many dimensions a tensor may have: more than weights have, and few, since each tensor has a copy of its shape.
const maxDims = 16

func integers(v any) ([]int64, bool) {
	t, ok := v.(tuple)
	if len(t) > maxDims {
		return nil, false
	}
	out := make([]int64, len(t))
	for i := range t {
		n, isInt := t[i].(int64)
		if !isInt {
			return nil, false
		}
		out[i] = n
	}
	return out, ok
}

// kind names what v is, for messages.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case *Tensor:
		return "tensor"
	case *dict:
		return "dictionary"
	case *list:
		return "list"
	case *storage:
		return "storage"
	case global:
		return "class " + string(v)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", v), "torchfile.")
}

// pickle is the machine that reads a pickle of protocol 2 to 5 (Lib/pickletools.py of CPython describes each opcode). What it
// holds is in proportion to its text: each opcode makes one small value, or takes some from the stack.
type pickle struct {
	archive *archive
	text    []byte
	at      int
	stack   []any
	memo    map[int64]any
	stored  map[string]*storage
}

// run reads to the end, and gives what was made.
func (p *pickle) run() (any, error) {
	p.memo, p.stored = map[int64]any{}, map[string]*storage{}
	for {
		at := p.at
		code, err := p.byte()
		done := false
		if err == nil {
			done, err = p.step(code)
		}
		if err != nil {
			if e, ok := err.(*Error); ok { // of an entry that it refers to
				return nil, e
			}
			return nil, p.archive.fail("data.pkl", int64(at), "%v", err)
		}
		if done {
			return p.stack[0], nil
		}
	}
}

// Opcodes, as pickletools.py names them.
const (
	opMark, opStop, opPop, opPopMark, opDup                              = '(', '.', '0', '1', '2'
	opBinFloat, opBinInt, opBinInt1, opBinInt2, opLong1                  = 'G', 'J', 'K', 'M', 0x8a
	opNone, opNewTrue, opNewFalse                                        = 'N', 0x88, 0x89
	opBinUnicode, opShortBinUnicode, opBinUnicode8                       = 'X', 0x8c, 0x8d
	opBinString, opShortBinString                                        = 'T', 'U'
	opGlobal, opStackGlobal, opReduce, opBuild, opBinPersID              = 'c', 0x93, 'R', 'b', 'Q'
	opEmptyTuple, opTuple, opTuple1, opTuple2, opTuple3                  = ')', 't', 0x85, 0x86, 0x87
	opEmptyList, opAppend, opAppends, opEmptyDict, opSetItem, opSetItems = ']', 'a', 'e', '}', 's', 'u'
	opBinGet, opLongBinGet, opBinPut, opLongBinPut, opMemoize            = 'h', 'j', 'q', 'r', 0x94
	opProto, opFrame                                                     = 0x80, 0x95
)

// step executes an opcode, and says whether it was the last.
func (p *pickle) step(code byte) (done bool, err error) {
	switch code {
	case opProto:
		version, err := p.byte()
		if err == nil && (version < 2 || version > 5) {
			err = fmt.Errorf("protocol %d; 2 to 5 are read here", version)
		}
		return false, err
	case opFrame: // only for those who read ahead
		_, err := p.take(8)
		return false, err
	case opStop:
		if len(p.stack) != 1 {
			return false, fmt.Errorf("it ends with %d values, and should with one", len(p.stack))
		}
		return true, nil

	case opMark:
		p.push(mark{})
		return false, nil
	case opPop:
		_, err := p.pop()
		return false, err
	case opPopMark:
		_, err := p.popMark()
		return false, err
	case opDup:
		v, err := p.pop()
		p.push(v)
		p.push(v)
		return false, err

	case opNone:
		p.push(nil)
		return false, nil
	case opNewTrue, opNewFalse:
		p.push(code == opNewTrue)
		return false, nil
	case opBinInt, opBinInt1, opBinInt2, opLong1, opBinFloat:
		return false, p.number(code)
	case opBinUnicode, opShortBinUnicode, opBinUnicode8, opBinString, opShortBinString:
		return false, p.unicode(code)

	case opEmptyTuple:
		p.push(tuple{})
		return false, nil
	case opTuple1, opTuple2, opTuple3:
		items, err := p.popAll(int(code-opTuple1) + 1)
		p.push(tuple(items))
		return false, err
	case opTuple:
		items, err := p.popMark()
		p.push(tuple(items))
		return false, err
	case opEmptyList:
		p.push(&list{})
		return false, nil
	case opEmptyDict:
		p.push(&dict{})
		return false, nil
	case opAppend, opAppends, opSetItem, opSetItems:
		return false, p.fill(code)

	case opBinGet, opLongBinGet:
		i, err := p.index(code == opLongBinGet)
		if err != nil {
			return false, err
		}
		v, ok := p.memo[i]
		if !ok {
			return false, fmt.Errorf("what it asks for by number %d was not put there", i)
		}
		p.push(v)
		return false, nil
	case opBinPut, opLongBinPut, opMemoize:
		i := int64(len(p.memo))
		if code != opMemoize {
			if i, err = p.index(code == opLongBinPut); err != nil {
				return false, err
			}
		}
		v, err := p.pop()
		p.push(v)
		p.memo[i] = v
		return false, err

	case opGlobal, opStackGlobal:
		return false, p.global(code)
	case opReduce:
		return false, p.reduce()
	case opBinPersID:
		return false, p.persistent()
	case opBuild: // a state dictionary's _metadata: versions of modules
		_, err := p.pop()
		if err != nil {
			return false, err
		}
		if _, ok := p.top().(*dict); !ok {
			return false, fmt.Errorf("it sets the state of a %s; %s", kind(p.top()), convert)
		}
		return false, nil
	}
	return false, fmt.Errorf("opcode 0x%02x is none that weights need; %s", code, convert)
}

func (p *pickle) push(v any) { p.stack = append(p.stack, v) }

func (p *pickle) top() any {
	if len(p.stack) == 0 {
		return mark{}
	}
	return p.stack[len(p.stack)-1]
}

func (p *pickle) pop() (any, error) {
	v := p.top()
	if _, ok := v.(mark); ok {
		return nil, errors.New("it takes a value, and there is none")
	}
	p.stack = p.stack[:len(p.stack)-1]
	return v, nil
}

// popAll takes the last n values.
func (p *pickle) popAll(n int) ([]any, error) {
	items := make([]any, n)
	for i := n - 1; i >= 0; i-- {
		var err error
		if items[i], err = p.pop(); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// popMark takes everything behind the last mark, and the mark.
func (p *pickle) popMark() ([]any, error) {
	for i := len(p.stack) - 1; i >= 0; i-- {
		if _, ok := p.stack[i].(mark); ok {
			items := append([]any(nil), p.stack[i+1:]...)
			p.stack = p.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("it takes all values behind a mark, and there is none")
}

func (p *pickle) byte() (byte, error) {
	b, err := p.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (p *pickle) take(n uint64) ([]byte, error) {
	if n > uint64(len(p.text)-p.at) {
		return nil, fmt.Errorf("the entry ends where %d more bytes should be", n)
	}
	b := p.text[p.at : p.at+int(n)]
	p.at += int(n)
	return b, nil
}

// length reads a number of 1, 4 or 8 bytes that says how much follows.
func (p *pickle) length(size uint64) (uint64, error) {
	b, err := p.take(size)
	if err != nil {
		return 0, err
	}
	var n [8]byte
	copy(n[:], b)
	return binary.LittleEndian.Uint64(n[:]), nil
}

func (p *pickle) index(long bool) (int64, error) {
	size := uint64(1)
	if long {
		size = 4
	}
	n, err := p.length(size)
	return int64(n), err
}

func (p *pickle) number(code byte) error {
	size := uint64(1) // opBinInt1
	switch code {
	case opBinInt:
		size = 4
	case opBinInt2:
		size = 2
	case opBinFloat:
		size = 8
	case opLong1:
		n, err := p.byte()
		if err != nil {
			return err
		}
		if n > 8 {
			return fmt.Errorf("a whole number of %d bytes", n)
		}
		size = uint64(n)
	}
	b, err := p.take(size)
	if err != nil {
		return err
	}
	switch code {
	case opBinFloat:
		p.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		return nil
	case opBinInt:
		p.push(int64(int32(binary.LittleEndian.Uint32(b))))
		return nil
	}
	var n [8]byte
	copy(n[:], b)
	v := int64(binary.LittleEndian.Uint64(n[:]))
	if code == opLong1 && size > 0 { // two's complement
		shift := 64 - 8*size
		v = v << shift >> shift
	}
	p.push(v)
	return nil
}

func (p *pickle) unicode(code byte) error {
	size := uint64(4)
	switch code {
	case opShortBinUnicode, opShortBinString:
		size = 1
	case opBinUnicode8:
		size = 8
	}
	n, err := p.length(size)
	if err != nil {
		return err
	}
	b, err := p.take(n)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return errors.New("a text that is not UTF-8")
	}
	p.push(string(b))
	return nil
}

// fill puts values into the list or dictionary below them.
func (p *pickle) fill(code byte) error {
	var items []any
	var err error
	switch code {
	case opAppend:
		items, err = p.popAll(1)
	case opSetItem:
		items, err = p.popAll(2)
	default:
		items, err = p.popMark()
	}
	if err != nil {
		return err
	}
	switch into := p.top().(type) {
	case *list:
		if code == opAppend || code == opAppends {
			into.items = append(into.items, items...)
			return nil
		}
	case *dict:
		if (code == opSetItem || code == opSetItems) && len(items)%2 == 0 {
			for i := 0; i < len(items); i += 2 {
				into.keys, into.values = append(into.keys, items[i]), append(into.values, items[i+1])
			}
			return nil
		}
	}
	return fmt.Errorf("it puts %d values into a %s", len(items), kind(p.top()))
}

func (p *pickle) global(code byte) error {
	var name string
	if code == opGlobal {
		module, err := p.line()
		if err != nil {
			return err
		}
		what, err := p.line()
		if err != nil {
			return err
		}
		name = module + " " + what
	} else {
		what, err := p.pop()
		if err != nil {
			return err
		}
		module, err := p.pop()
		if err != nil {
			return err
		}
		a, isText := module.(string)
		b, alsoText := what.(string)
		if !isText || !alsoText {
			return errors.New("a name that is no text")
		}
		name = a + " " + b
	}
	if callables[name] == nil && storages[name] == "" {
		return fmt.Errorf("it asks for %q, which is none of the few names that weights need: the file may be a program; %s", clip(name), convert)
	}
	p.push(global(name))
	return nil
}

func (p *pickle) line() (string, error) {
	n := bytes.IndexByte(p.text[p.at:], '\n')
	if n < 0 {
		return "", errors.New("a name without an end")
	}
	b, err := p.take(uint64(n) + 1)
	return string(b[:n]), err
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

func (p *pickle) reduce() error {
	v, err := p.pop()
	if err != nil {
		return err
	}
	callable, err := p.pop()
	if err != nil {
		return err
	}
	name, _ := callable.(global)
	args, ok := v.(tuple)
	call := callables[string(name)]
	if call == nil || !ok {
		return fmt.Errorf("it calls a %s with a %s; %s", kind(callable), kind(v), convert)
	}
	made, err := call(args)
	if err != nil {
		return err
	}
	p.push(made)
	return nil
}

// persistent makes a storage of ("storage", class, entry of data/, device, how many numbers) (torch/serialization.py, persistent_id).
func (p *pickle) persistent() error {
	v, err := p.pop()
	if err != nil {
		return err
	}
	args, _ := v.(tuple)
	if len(args) != 5 || args[0] != "storage" {
		return fmt.Errorf("it refers to a %s outside of it that is no storage", kind(v))
	}
	class, _ := args[1].(global)
	dtype := storages[string(class)]
	key, isText := args[2].(string)
	count, isInt := args[4].(int64)
	if dtype == "" || !isText || !isInt || count < 0 {
		return errors.New("a storage that does not say its class, its entry and how many numbers it has")
	}
	entry := "data/" + key
	if s := p.stored[entry]; s != nil {
		if s.dtype != dtype || s.count != count {
			return fmt.Errorf("%s has %d numbers of %s, and %d of %s elsewhere", entry, count, dtype, s.count, s.dtype)
		}
		p.push(s)
		return nil
	}
	at, size, err := p.archive.place(entry)
	if err != nil {
		return err
	}
	if size/dtype.Size() != count || size%dtype.Size() != 0 {
		return fmt.Errorf("%s has %d bytes, and should have %d numbers of %s", entry, size, count, dtype)
	}
	s := &storage{entry, dtype, at, count}
	p.stored[entry] = s
	p.push(s)
	return nil
}
