package check
func Repair(source, target string) (repaired string, did []string) { panic("unwritten") }
