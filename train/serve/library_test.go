package serve

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/sashabaranov/go-openai"

	"curate/train/generate"
)

// TestLibrary: go-openai as a client.
func TestLibrary(t *testing.T) {
	c, _ := config(t, generate.Options{})
	c.Key = "secret"
	address, _ := start(t, c)
	cfg := openai.DefaultConfig("secret")
	cfg.BaseURL = address + "/v1"
	lib := openai.NewClientWithConfig(cfg)
	ctx := t.Context()

	models, err := lib.ListModels(ctx)
	if err != nil || len(models.Models) != 1 || models.Models[0].ID != "tiny" {
		t.Error(models, err)
	}
	seed := 3
	ask := openai.CompletionRequest{Model: "tiny", Prompt: []string{"Kaixo, ", "The"}, MaxTokens: 5, Seed: &seed, LogProbs: 2, Echo: true}
	whole, err := lib.CreateCompletion(ctx, ask)
	if err != nil || len(whole.Choices) != 2 || whole.Usage.CompletionTokens != 10 || len(whole.Choices[1].LogProbs.Tokens) != len(whole.Choices[1].LogProbs.TopLogprobs) {
		t.Errorf("%+v, %v", whole, err)
	}
	stream, err := lib.CreateCompletionStream(ctx, ask)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, 2)
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range piece.Choices {
			texts[c.Index] += c.Text
		}
	}
	for i, c := range whole.Choices {
		if texts[i] != c.Text || c.FinishReason != "length" {
			t.Errorf("%q, streamed %q", c.Text, texts[i])
		}
	}

	chat := openai.ChatCompletionRequest{
		Model: "tiny", Messages: []openai.ChatCompletionMessage{{Role: "system", Content: "s"}, {Role: "user", Content: "Kaixo!"}},
		MaxCompletionTokens: 8, Seed: &seed, LogProbs: true, TopLogProbs: 3, N: 2, Stop: []string{"zz"},
	}
	turns, err := lib.CreateChatCompletion(ctx, chat)
	if err != nil || len(turns.Choices) != 2 || len(turns.Choices[0].LogProbs.Content) != 8 || len(turns.Choices[0].LogProbs.Content[0].TopLogProbs) != 3 {
		t.Fatalf("%+v, %v", turns, err)
	}
	chat.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	pieces, err := lib.CreateChatCompletionStream(ctx, chat)
	if err != nil {
		t.Fatal(err)
	}
	texts = make([]string, 2)
	var usage *openai.Usage
	for {
		piece, err := pieces.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range piece.Choices {
			texts[c.Index] += c.Delta.Content
		}
		usage = piece.Usage
	}
	if usage == nil || *usage != turns.Usage || texts[0] != turns.Choices[0].Message.Content || texts[1] != turns.Choices[1].Message.Content || texts[0] == texts[1] {
		t.Errorf("%+v, %+v; streamed %q, %+v", turns.Choices, turns.Usage, texts, usage)
	}

	chat.Tools = []openai.Tool{{Type: openai.ToolTypeFunction}}
	var api *openai.APIError
	if _, err = lib.CreateChatCompletion(ctx, chat); !errors.As(err, &api) || api.HTTPStatusCode != http.StatusBadRequest || api.Param == nil || *api.Param != "tools" {
		t.Errorf("%+v", err)
	}
	other := openai.DefaultConfig("other")
	other.BaseURL = cfg.BaseURL
	if _, err = openai.NewClientWithConfig(other).ListModels(ctx); !errors.As(err, &api) || api.HTTPStatusCode != http.StatusUnauthorized {
		t.Errorf("%+v", err)
	}
}
