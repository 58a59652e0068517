// Faktory's side of bench/tasks/compare: a task that does nothing, and a program that pushes it.
//
//	faktory_side version      prints the versions
//	faktory_side submit       pushes COUNT tasks, a hundred a call on each of several connections
//	faktory_side work         fetches and acknowledges COUNT tasks
//
// COUNT and FAKTORY_URL are in the environment. Each says "ready", begins when a line comes, and says "done".
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	faktory "github.com/contribsys/faktory/client"
)

const (
	taskType = "nothing"
	// Sidekiq and BullMQ put a thousand tasks into Redis by one command. Faktory's server writes each task of a call by
	// itself, one after the other: only calls of several connections share what one write to the disk costs, and a call
	// of more tasks could take longer than the five seconds that its client waits for an answer.
	tasksACall = 100
	submitters = 100
	// As many as asynq and BullMQ here; each has a connection of its own.
	concurrency = 100
	// The server lets a fetch wait for two seconds and Redis a little longer, also that of a worker which was killed
	// meanwhile: a task that went there would not come back for half an hour.
	fetchTime = 3 * time.Second
	// A worker that is not heard of for a minute is closed out.
	beatEvery = 15 * time.Second
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

func beat(client *faktory.Client) {
	for range time.Tick(beatEvery) {
		must(client.Beat())
	}
}

// By the client's own calls: each thread of Faktory's library for workers sleeps for up to two seconds before its
// first task, which would be most of the time here.
func work(count int64) {
	faktory.RandomProcessWid = strconv.Itoa(os.Getpid()) // only what has such a name may fetch
	clients := connections(concurrency)
	go beat(must(faktory.Open()))
	time.Sleep(fetchTime)
	waitForGo()
	var done atomic.Int64
	var running sync.WaitGroup
	for _, client := range clients {
		running.Add(1)
		go func() {
			defer running.Done()
			for done.Load() < count {
				job := must(client.Fetch("default"))
				if job == nil {
					continue
				}
				check(client.Ack(job.Jid))
				if done.Add(1) == count {
					fmt.Println("done")
				}
			}
		}()
	}
	running.Wait()
}

func main() {
	if os.Args[1] == "version" {
		fmt.Printf("Faktory %s, %s\n", faktory.Version, runtime.Version())
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
