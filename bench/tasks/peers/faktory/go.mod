module millrace/bench/tasks/peers/faktory

go 1.25

require github.com/contribsys/faktory v1.10.0

replace github.com/contribsys/faktory => ../../../../build/peers/faktory
