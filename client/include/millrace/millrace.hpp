// libmillrace in one include: everything but the optional parts (json.hpp, processed_ids.hpp).
#pragma once

#include "millrace/client.hpp"
#include "millrace/codec.hpp"
#include "millrace/coroutines.hpp"
#include "millrace/promise.hpp"
