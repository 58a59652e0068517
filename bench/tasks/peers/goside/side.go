// Package side is what the peers' programs in Go have in common: the words by which bench/tasks/compare starts and
// meters them (see side_program.py), and submitting from many goroutines.
package side

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

func Must[T any](value T, err error) T {
	Check(err)
	return value
}

func Check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Main does what the first argument asks for: `version`, or `submit` or `work` with COUNT tasks of the environment.
func Main(version func() string, submit, work func(count int64)) {
	if os.Args[1] == "version" {
		fmt.Println(version())
		return
	}
	count := Must(strconv.ParseInt(os.Getenv("COUNT"), 10, 64))
	switch os.Args[1] {
	case "submit":
		submit(count)
	case "work":
		work(count)
	default:
		log.Fatalf("what is %s?", os.Args[1])
	}
}

func WaitForGo() {
	fmt.Println("ready")
	Must(bufio.NewReader(os.Stdin).ReadString('\n'))
}

func SayDone() {
	fmt.Println("done")
}

// CountTo returns what each task calls when it is carried out; the last one says that all are.
func CountTo(count int64) func() {
	var done atomic.Int64
	return func() {
		if done.Add(1) == count {
			SayDone()
		}
	}
}

// InParallel hands all numbers below count to some, step of them at a time, from so many goroutines, and returns when
// all are done. Each goroutine says by its number which one it is.
func InParallel(goroutines int, count, step int64, some func(goroutine int, first, end int64)) {
	var given atomic.Int64
	var running sync.WaitGroup
	for goroutine := range goroutines {
		running.Add(1)
		go func() {
			defer running.Done()
			for end := given.Add(step); end-step < count; end = given.Add(step) {
				some(goroutine, end-step, min(end, count))
			}
		}()
	}
	running.Wait()
}
