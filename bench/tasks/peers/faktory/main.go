// Faktory's side of bench/tasks/compare: a task that does nothing, and a program that pushes it.
//
//	faktory_side version      prints the versions
//	faktory_side submit       pushes COUNT tasks, a hundred a call on each of several connections
//	faktory_side work         performs COUNT tasks
//
// COUNT and FAKTORY_URL are in the environment. Each says "ready", begins when a line comes, and says "done".
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	faktory "github.com/contribsys/faktory/client"
	worker "github.com/contribsys/faktory_worker_go"
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

func connections(count int) []*faktory.Client {
	clients := make([]*faktory.Client, count)
	for i := range clients {
		clients[i] = must(faktory.Open())
	}
	return clients
}

func push(client *faktory.Client, first, end int64) {
	jobs := make([]*faktory.Job, 0, tasksACall)
	for number := first; number < end; number++ {
		jobs = append(jobs, faktory.NewJob(taskType, number))
	}
	if refused := must(client.PushBulk(jobs)); len(refused) != 0 {
		log.Fatal(refused)
	}
}

func submit(count int64) {
	clients := connections(submitters)
	waitForGo()
	var pushed atomic.Int64
	var running sync.WaitGroup
	for _, client := range clients {
		running.Add(1)
		go func() {
			defer running.Done()
			for end := pushed.Add(tasksACall); end-tasksACall < count; end = pushed.Add(tasksACall) {
				push(client, end-tasksACall, min(end, count))
			}
		}()
	}
	running.Wait()
	fmt.Println("done")
}

// What it has fetched until it may begin, a task a thread at most, waits.
func work(count int64) {
	begin := make(chan struct{})
	var done atomic.Int64
	manager := worker.NewManager()
	manager.Concurrency = concurrency
	manager.Logger = &worker.StdLogger{Logger: log.Default()} // its own writes between this program's words
	manager.Register(taskType, func(context.Context, ...any) error {
		<-begin
		if done.Add(1) == count {
			fmt.Println("done")
		}
		return nil
	})
	go func() { check(manager.Run()) }()
	time.Sleep(warmUp)
	waitForGo()
	close(begin)
	select {}
}

func main() {
	if os.Args[1] == "version" {
		fmt.Printf("Faktory %s, faktory_worker_go %s, %s\n", faktory.Version, worker.Version, runtime.Version())
		return
	}
	count := must(strconv.ParseInt(os.Getenv("COUNT"), 10, 64))
	switch os.Args[1] {
	case "submit":
		submit(count)
	case "work":
		work(count)
	default:
		log.Fatalf("what is %s?", os.Args[1])
	}
}
