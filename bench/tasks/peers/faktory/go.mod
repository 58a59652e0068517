module millrace/bench/tasks/peers/faktory

go 1.25

require (
	github.com/contribsys/faktory v1.10.0
	github.com/contribsys/faktory_worker_go v1.7.0
	millrace/bench/tasks/peers/goside v0.0.0
)

replace github.com/contribsys/faktory => ../../../../build/peers/faktory

replace github.com/contribsys/faktory_worker_go => ../../../../build/peers/faktory_worker_go

replace millrace/bench/tasks/peers/goside => ../goside
