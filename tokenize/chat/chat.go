// Package chat makes token ids and loss masks of chats and preference pairs, with the template of a model.
package chat
