module millrace/bench/tasks/peers/goside

go 1.24.0
