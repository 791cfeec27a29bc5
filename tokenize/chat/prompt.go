package chat

import "curate/record"

// IsConversation says whether a record is a chat by its keys: "messages", or ShareGPT's "conversations".
func IsConversation(r *record.Record) bool {
	return holds(r, pathMessages) || holds(r, pathConversations)
}

// Prompt gives the tokens of a record's conversation, ended where the assistant is to speak, or, if the record says
// continue_final_message in chat_template_kwargs, where its last message ends. An error is about the record.
func (e *Encoder) Prompt(r *record.Record) ([]uint32, error) {
	row, err := read(r, Conversation)
	if err != nil {
		return nil, err
	}
	row.AddGenerationPrompt = row.ContinueFinal == ""
	text, err := e.f.Render(row.Prompt, &row.Params)
	if err != nil {
		return nil, err
	}
	if err := e.found(text.Text); err != nil {
		return nil, err
	}
	return e.rendered.Append(nil, text.Text)
}

// ReadPair reads a preference pair: a record with "chosen" and "rejected", and their prompt in one of the shapes that TRL
// knows. An error is about the record.
func ReadPair(r *record.Record) (*Row, error) {
	for _, p := range []record.Path{pathChosen, pathRejected} {
		if !holds(r, p) {
			return nil, &record.FieldError{Field: p.String(), Problem: "is missing"}
		}
	}
	return read(r, Preference)
}
