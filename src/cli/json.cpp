// The one place where Boost.JSON is compiled for the client's side.
#include <boost/json/src.hpp>
