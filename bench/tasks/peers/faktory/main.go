// Faktory's side of bench/tasks/compare: a task that does nothing, and a program that pushes it.
//
//	faktory_side version      prints the versions
//	faktory_side submit       pushes COUNT tasks, a hundred a call on each of several connections
//	faktory_side work         performs COUNT tasks
//
// COUNT and FAKTORY_URL are in the environment. Each says "ready", begins when a line comes, and says "done".
package main

import (
	"context"
	"fmt"
	"log"
	"runtime"
	"time"

	faktory "github.com/contribsys/faktory/client"
	worker "github.com/contribsys/faktory_worker_go"

	side "millrace/bench/tasks/peers/goside"
)

const (
	taskType = "nothing"
	// Sidekiq and BullMQ put a thousand tasks into Redis by one command. Faktory's server writes each task of a call by
	// itself, one after the other: only calls of several connections share what one write to the disk costs, and a call
	// of more tasks could take longer than the five seconds that its client waits for an answer.
	tasksACall = 100
	submitters = 100
	// As many as asynq and BullMQ here: of the default, 20, too few share what one write to the disk costs.
	concurrency = 100
	// Each thread of the worker sleeps for up to 2.2 seconds before it fetches first, which would be most of the time
	// here. The server lets a fetch wait for two seconds and Redis a little longer, also that of a worker which was
	// killed meanwhile: a task that went there would not come back for half an hour.
	warmUp = 3 * time.Second
)

func connections(count int) []*faktory.Client {
	clients := make([]*faktory.Client, count)
	for i := range clients {
		clients[i] = side.Must(faktory.Open())
	}
	return clients
}

func push(client *faktory.Client, first, end int64) {
	jobs := make([]*faktory.Job, 0, tasksACall)
	for number := first; number < end; number++ {
		jobs = append(jobs, faktory.NewJob(taskType, number))
	}
	if refused := side.Must(client.PushBulk(jobs)); len(refused) != 0 {
		log.Fatal(refused)
	}
}

func submit(count int64) {
	clients := connections(submitters)
	side.WaitForGo()
	side.InParallel(submitters, count, tasksACall, func(goroutine int, first, end int64) {
		push(clients[goroutine], first, end)
	})
	side.SayDone()
}

// What it has fetched until it may begin, a task a thread at most, waits.
func work(count int64) {
	begin := make(chan struct{})
	carriedOut := side.CountTo(count)
	manager := worker.NewManager()
	manager.Concurrency = concurrency
	manager.Logger = &worker.StdLogger{Logger: log.Default()} // its own writes between this program's words
	manager.Register(taskType, func(context.Context, ...any) error {
		<-begin
		carriedOut()
		return nil
	})
	go func() { side.Check(manager.Run()) }()
	time.Sleep(warmUp)
	side.WaitForGo()
	close(begin)
	select {}
}

func version() string {
	return fmt.Sprintf("Faktory %s, faktory_worker_go %s, %s", faktory.Version, worker.Version, runtime.Version())
}

func main() {
	side.Main(version, submit, work)
}
