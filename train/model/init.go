package model

// Init sets first values: normal with the given standard deviation, cut at two of them, for embedding and head; times
// √WidthScale for hidden matrices, and divided by √(2·Layers) besides for those that write to the residual stream; 1 for
// norms and 0 for biases. The numbers are a function of seed, tensor and place in it alone, so that a tensor's values do not
// depend on those before it.
func (p *Params) Init(c *Config, std float64, seed uint64) { panic("unwritten") }
