// asynq's side of bench/tasks/compare: a task that does nothing, and a program that enqueues it.
//
//	asynq_side version      prints the versions
//	asynq_side submit       enqueues COUNT tasks; asynq has no call for many, so from several goroutines
//	asynq_side work         processes COUNT tasks
//
// COUNT and REDIS_URL are in the environment. Each says "ready", begins when a line comes, and says "done".
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/hibiken/asynq"
)

const (
	taskType = "bench:nothing"
	// Its calls wait for the server one by one: as many at once share what one write to the disk costs.
	submitters = 100
	// As many as BullMQ here. The default, a task a processor, would measure the way to the server and back.
	concurrency = 100
)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func waitForGo() {
	fmt.Println("ready")
	must(bufio.NewReader(os.Stdin).ReadString('\n'))
}

func printVersion() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/hibiken/asynq" {
			fmt.Printf("asynq %s, %s\n", module.Version, runtime.Version())
		}
	}
}

func submit(redis asynq.RedisConnOpt, count int64) {
	client := asynq.NewClient(redis)
	defer client.Close()
	check(client.Ping())
	waitForGo()
	var next atomic.Int64
	var running sync.WaitGroup
	for range submitters {
		running.Add(1)
		go func() {
			defer running.Done()
			for number := next.Add(1); number <= count; number = next.Add(1) {
				must(client.Enqueue(asynq.NewTask(taskType, strconv.AppendInt(nil, number, 10))))
			}
		}()
	}
	running.Wait()
	fmt.Println("done")
}

func work(redis asynq.RedisConnOpt, count int64) {
	server := asynq.NewServer(redis, asynq.Config{Concurrency: concurrency, LogLevel: asynq.WarnLevel})
	check(server.Ping())
	waitForGo()
	var done atomic.Int64
	check(server.Run(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if done.Add(1) == count {
			fmt.Println("done")
		}
		return nil
	})))
}

func main() {
	if os.Args[1] == "version" {
		printVersion()
		return
	}
	redis := must(asynq.ParseRedisURI(os.Getenv("REDIS_URL")))
	count := must(strconv.ParseInt(os.Getenv("COUNT"), 10, 64))
	switch os.Args[1] {
	case "submit":
		submit(redis, count)
	case "work":
		work(redis, count)
	default:
		log.Fatalf("what is %s?", os.Args[1])
	}
}
