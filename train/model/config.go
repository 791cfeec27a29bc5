package model

// Families of models.
const (
	Llama = "llama" // RMSNorm, RoPE, grouped queries, SwiGLU, no biases: LlamaForCausalLM
	BTLM  = "btlm"  // LayerNorm, ALiBi, SwiGLU, biases, tied head, µP (arXiv 2309.11568)
)

// Config says what a model is made of. Check fills nothing in: New configurations come from Shape.
type Config struct {
	Family     string
	Vocabulary int // rows of the embedding
	Width      int // d, of the residual stream
	Layers     int
	Heads      int
	KVHeads    int // llama; Heads is a multiple of it. btlm: Heads
	HeadSize   int // usually Width/Heads
	FFN        int // width of the gate and of what it lets through
	Context    int // longest row that it was trained on; 0: none yet
	Tied       bool
	// NormEpsilon is added to the mean square, or to the variance.
	NormEpsilon float64

	// llama
	RopeTheta   float64
	RopeScaling *RopeScaling // nil: none

	// µP, as Cerebras does it (BTLM-3B's configuration; arXiv 2304.03208, appendix G). Without µP the first three are 1.
	EmbeddingScale float64 // the embedding's output is multiplied by it
	LogitScale     float64 // the logits are: mup_output_alpha · mup_width_scale
	WidthScale     float64 // base width / Width: the learning rate of hidden matrices is multiplied by it
	ScaleByHead    bool    // scores are q·k / HeadSize and not / √HeadSize

	// AlibiSlopeScale multiplies the slopes of ALiBi: 1, or less to reach beyond Context (arXiv 2310.13017).
	AlibiSlopeScale float64
}

// RopeScaling is the rope_scaling of type "llama3": wavelengths above Original/Low are stretched by Factor, those below
// Original/High are left alone, and those between go over smoothly.
type RopeScaling struct {
	Factor, Low, High float64
	Original          int // context that the model was trained with at first
}

// Check finds what does not fit together, so that nothing later divides by zero or runs out of its slices. The error names
// the field in words of config.json.
func (c *Config) Check() error { panic("unwritten") }

// Shape is what a user says about a new model; zero is "choose".
type Shape struct {
	Family     string
	Vocabulary int
	Width      int
	Layers     int
	Heads      int
	KVHeads    int
	FFN        int // 0: 8/3 of Width, rounded up to a multiple of 256, so that 4-bit formats can cut its rows into blocks
	Context    int
	Tied       bool
	RopeTheta  float64
	// MuP: the width of the proxy model on which hyper-parameters were found; 0: no µP.
	BaseWidth                   int
	EmbeddingScale, OutputAlpha float64 // with µP; 0: BTLM's 14.6 and 2.22
}

// New makes the configuration of a new model.
func (s *Shape) New() (*Config, error) { panic("unwritten") }
