// Every error ends a run: it is thrown as a Failure, and main prints it and exits 1.
#pragma once

#include <stdexcept>

namespace millrace::load {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace millrace::load
