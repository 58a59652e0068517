# Sidekiq's side of bench/tasks/compare: a job that does nothing, and a program that pushes it.
#
#   ruby side.rb version             prints the versions
#   ruby side.rb submit              pushes COUNT jobs, as many in a call as Sidekiq advises at most
#   sidekiq -r ./side.rb             performs COUNT jobs
#
# COUNT and REDIS_URL are in the environment. Each says "ready", begins when a line comes, and says "done".

require "sidekiq"

JOBS_A_CALL = 1000

# Its default is two lines a job.
Sidekiq.logger.level = Logger::WARN

def wait_for_go
  $stdout.puts "ready"
  $stdout.flush
  $stdin.gets
end

def say_done
  $stdout.puts "done"
  $stdout.flush
end

class Countdown
  def initialize(count)
    @left = count
    @lock = Mutex.new
  end

  def step
    @lock.synchronize { @left -= 1 }.zero?
  end
end

class Nothing
  include Sidekiq::Job

  LEFT = Countdown.new(ENV.fetch("COUNT", "0").to_i)

  def perform(_number)
    say_done if LEFT.step
  end
end

def submit(count)
  Sidekiq.redis(&:ping)
  wait_for_go
  (0...count).each_slice(JOBS_A_CALL) { |numbers| Nothing.perform_bulk(numbers.map { |number| [number] }) }
  say_done
end

# Before the first job is fetched.
Sidekiq.configure_server { |config| config.on(:startup) { wait_for_go } }

case ARGV.first
when "version" then puts "Sidekiq #{Sidekiq::VERSION}, Ruby #{RUBY_VERSION}"
when "submit" then submit(ENV.fetch("COUNT").to_i)
end
