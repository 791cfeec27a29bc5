package model

// Unknown is the id of the token for what is not known; ok is false if there is none.
func (m *Symbols) Unknown() (id uint32, ok bool) { return m.unk, m.unk != noID }

// Unknown is the id of the token for what is not known; ok is false if there is none.
func (m *Unigram) Unknown() (id uint32, ok bool) { return m.unkID, m.unkID != noID }

// Unknown is the id of the token for what is not known; ok is false if there is none.
func (m *WordLevel) Unknown() (id uint32, ok bool) { return m.unkID, m.unkID != noID }

// Unknown is the id of the token for what is not known; ok is false if there is none.
func (m *WordPiece) Unknown() (id uint32, ok bool) { return m.unkID, m.unkID != noID }

// Unknown is the id of the token for what is not known; ok is false if there is none.
func (s *spelled) Unknown() (id uint32, ok bool) {
	if m, is := s.Model.(interface{ Unknown() (uint32, bool) }); is {
		return m.Unknown()
	}
	return 0, false
}
