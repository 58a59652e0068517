// asynq's side of bench/tasks/compare: a task that does nothing, and a program that enqueues it.
//
//	asynq_side version      prints the versions
//	asynq_side submit       enqueues COUNT tasks; asynq has no call for many, so from several goroutines
//	asynq_side work         processes COUNT tasks
//
// COUNT and REDIS_URL are in the environment. Each says "ready", begins when a line comes, and says "done".
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/hibiken/asynq"

	side "millrace/bench/tasks/peers/goside"
)

const (
	taskType = "bench:nothing"
	// Its calls wait for the server one by one: as many at once share what one write to the disk costs.
	submitters = 100
	// As many as BullMQ here. The default, a task a processor, would measure the way to the server and back.
	concurrency = 100
)

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/hibiken/asynq" {
			return fmt.Sprintf("asynq %s, %s", module.Version, runtime.Version())
		}
	}
	return "asynq"
}

func redis() asynq.RedisConnOpt {
	return side.Must(asynq.ParseRedisURI(os.Getenv("REDIS_URL")))
}

func submit(count int64) {
	client := asynq.NewClient(redis())
	defer client.Close()
	side.Check(client.Ping())
	side.WaitForGo()
	side.InParallel(submitters, count, 1, func(_ int, number, _ int64) {
		side.Must(client.Enqueue(asynq.NewTask(taskType, strconv.AppendInt(nil, number, 10))))
	})
	side.SayDone()
}

func work(count int64) {
	server := asynq.NewServer(redis(), asynq.Config{Concurrency: concurrency, LogLevel: asynq.WarnLevel})
	side.Check(server.Ping())
	side.WaitForGo()
	carriedOut := side.CountTo(count)
	side.Check(server.Run(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		carriedOut()
		return nil
	})))
}

func main() {
	side.Main(version, submit, work)
}
