package exec

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// asProgram is the first argument that makes the test binary be a classifier.
const asProgram = "be-a-classifier"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asProgram {
		classify(os.Args[2:])
		return
	}
	os.Exit(m.Run())
}

// program is the command line of the classifier. What it does with a record, the record's text says; args are
//
//	tee PATH   what it reads is written there, too
//	ask ADDR   before each answer it asks there whether it may
func program(t testing.TB, args ...string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{exe, asProgram}, args...)
}

func classify(args []string) {
	say := func(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }
	var tee *os.File
	var ask net.Conn
	for i := 0; i+1 < len(args); i += 2 {
		var err error
		switch args[i] {
		case "tee":
			tee, err = os.OpenFile(args[i+1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		case "ask":
			ask, err = net.Dial("tcp", args[i+1])
		}
		if err != nil {
			say("%v", err)
			os.Exit(9)
		}
	}
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		if tee != nil {
			tee.Write(line)
		}
		var r struct {
			ID, Text any
		}
		if err := json.Unmarshal(line, &r); err != nil {
			say("%v", err)
			os.Exit(9)
		}
		if ask != nil {
			b := []byte{1}
			if _, err := ask.Write(b); err != nil {
				os.Exit(8)
			}
			if _, err := ask.Read(b); err != nil {
				os.Exit(8)
			}
		}
		text, _ := r.Text.(string)
		what, rest, _ := strings.Cut(text, ":")
		switch what {
		case "answer":
			fmt.Println(rest)
		case "two":
			fmt.Println(`{"keep":true}`)
			fmt.Println(`{"keep":true}`)
		case "late": // a line too many that comes after a while
			fmt.Println(`{"keep":true}`)
			time.Sleep(200 * time.Millisecond)
			fmt.Println(`{"keep":true}`)
		case "exit":
			n, _ := strconv.Atoi(rest)
			say("cannot go on with %q", rest)
			os.Exit(n)
		case "once": // it crashes unless it has crashed here before
			if _, err := os.Stat(rest); err != nil {
				os.WriteFile(rest, nil, 0o666)
				os.Exit(3)
			}
			fmt.Println(`{"keep":true,"score":1}`)
		case "sleep":
			time.Sleep(time.Hour)
		case "noise":
			n, _ := strconv.Atoi(rest)
			for i := range n {
				say("line %d", i)
			}
			fmt.Println(`{"keep":true}`)
		case "long":
			n, _ := strconv.Atoi(rest)
			fmt.Println(`{"keep":true,"x":"` + strings.Repeat("y", n) + `"}`)
		default:
			b, _ := json.Marshal(map[string]any{"id": r.ID, "score": float64(len(text)) / 100, "signals": map[string]any{"spaces": strings.Count(text, " ")}})
			fmt.Println(string(b))
		}
	}
}
