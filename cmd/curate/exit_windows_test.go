package main

import "os"

func exitOf(s *os.ProcessState) int { return s.ExitCode() }
