package sentencepiece

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// file is what counts of a ModelProto (sentencepiece_model.proto).
type file struct {
	pieces []Piece

	modelType                                int32
	whitespaceAsSuffix, byteFallback         bool
	unkSurface, bosPiece, eosPiece, padPiece string

	normalizer, denormalizer normalizerSpec
}

type normalizerSpec struct {
	charsMap                                                  []byte
	addDummyPrefix, removeExtraWhitespaces, escapeWhitespaces bool
}

// field is a field of a message: n for numbers, b with its place in the file for everything that has a length.
type field struct {
	num protowire.Number
	typ protowire.Type
	n   uint64
	b   []byte
	at  int
}

func (f field) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

// enum is the value of an enumeration from 1 to limit; the others are unknown fields, which count for nothing.
func (f field) enum(limit int32) (int32, bool) {
	v := int32(f.n)
	return v, v >= 1 && v <= limit
}

// eachField reads the fields of a message that stands at byte at of the file. As everywhere with protocol buffers, a
// field of another wire type than expected is skipped.
func eachField(data []byte, at int, each func(f field) error) error {
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("byte %d: no field begins here: is this a .model file?", at)
		}
		f := field{num: num, typ: typ}
		body := data[n:]
		size := 0
		switch typ {
		case protowire.VarintType:
			f.n, size = protowire.ConsumeVarint(body)
		case protowire.Fixed32Type:
			var v uint32
			v, size = protowire.ConsumeFixed32(body)
			f.n = uint64(v)
		case protowire.BytesType:
			f.b, size = protowire.ConsumeBytes(body)
			f.at = at + n + size - len(f.b)
		default:
			size = protowire.ConsumeFieldValue(num, typ, body)
		}
		if size < 0 {
			return fmt.Errorf("byte %d: field %d does not end inside its message: the file is cut off or is no .model file", at, num)
		}
		if err := each(f); err != nil {
			return err
		}
		data, at = body[size:], at+n+size
	}
	return nil
}

func parse(data []byte) (*file, error) {
	f := &file{
		modelType:    1,
		unkSurface:   " \u2047 ",
		normalizer:   normalizerSpec{addDummyPrefix: true, removeExtraWhitespaces: true, escapeWhitespaces: true},
		denormalizer: normalizerSpec{addDummyPrefix: true, removeExtraWhitespaces: true, escapeWhitespaces: true},
	}
	texts := 0
	err := eachField(data, 0, func(x field) error {
		switch {
		case x.is(1, protowire.BytesType):
			n, err := pieceText(x)
			if err == nil && n == 0 { // before there are millions of them
				err = fmt.Errorf("byte %d: a piece without text", x.at)
			}
			texts += n
			return err
		case x.is(2, protowire.BytesType):
			return f.trainerSpec(x)
		case x.is(3, protowire.BytesType):
			return f.normalizer.read(x)
		case x.is(5, protowire.BytesType):
			return f.denormalizer.read(x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, f.readPieces(data, texts)
}

// pieceText is the length of a piece's text.
func pieceText(x field) (size int, err error) {
	err = eachField(x.b, x.at, func(y field) error {
		if y.is(1, protowire.BytesType) {
			size = len(y.b)
		}
		return nil
	})
	return size, err
}

// readPieces copies the texts of all pieces, texts bytes, into one string.
func (f *file) readPieces(data []byte, texts int) error {
	all := make([]byte, 0, texts)
	err := eachField(data, 0, func(x field) error {
		if !x.is(1, protowire.BytesType) {
			return nil
		}
		p := Piece{Type: Normal}
		var text []byte
		err := eachField(x.b, x.at, func(y field) error {
			switch {
			case y.is(1, protowire.BytesType):
				text = y.b
			case y.is(2, protowire.Fixed32Type):
				p.Score = math.Float32frombits(uint32(y.n))
			case y.is(3, protowire.VarintType):
				if v, ok := y.enum(6); ok {
					p.Type = Type(v)
				}
			}
			return nil
		})
		all = append(all, text...)
		f.pieces = append(f.pieces, p)
		return err
	})
	if err != nil {
		return err
	}
	f.pieces = append([]Piece(nil), f.pieces...) // without room for more
	s, i := string(all), 0
	return eachField(data, 0, func(x field) error {
		if x.is(1, protowire.BytesType) {
			n, err := pieceText(x)
			if err != nil {
				return err
			}
			f.pieces[i].Text, s = s[:n], s[n:]
			i++
		}
		return nil
	})
}

func (f *file) trainerSpec(x field) error {
	return eachField(x.b, x.at, func(y field) error {
		switch {
		case y.is(3, protowire.VarintType):
			if v, ok := y.enum(4); ok {
				f.modelType = v
			}
		case y.is(24, protowire.VarintType):
			f.whitespaceAsSuffix = y.n != 0
		case y.is(35, protowire.VarintType):
			f.byteFallback = y.n != 0
		case y.is(44, protowire.BytesType):
			f.unkSurface = string(y.b)
		case y.is(46, protowire.BytesType):
			f.bosPiece = string(y.b)
		case y.is(47, protowire.BytesType):
			f.eosPiece = string(y.b)
		case y.is(48, protowire.BytesType):
			f.padPiece = string(y.b)
		}
		return nil
	})
}

func (s *normalizerSpec) read(x field) error {
	return eachField(x.b, x.at, func(y field) error {
		switch {
		case y.is(2, protowire.BytesType):
			s.charsMap = y.b
		case y.is(3, protowire.VarintType):
			s.addDummyPrefix = y.n != 0
		case y.is(4, protowire.VarintType):
			s.removeExtraWhitespaces = y.n != 0
		case y.is(5, protowire.VarintType):
			s.escapeWhitespaces = y.n != 0
		}
		return nil
	})
}
