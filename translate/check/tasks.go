package check
func Tasks(instruction string, answers []string) []string { panic("unwritten") }
func TaskNames() []string { panic("unwritten") }
