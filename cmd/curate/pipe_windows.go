package main

import "os"

var sigPipe, sigProgress []os.Signal

func dieOfBrokenPipe() {}
