// Where Asio's side of TLS is compiled; the rest of Asio is runtime/os's.
#include <boost/asio/ssl/impl/src.hpp>
