#include "base/buffer.hpp"

#include <algorithm>

namespace millrace {

void Buffer::make_room(std::size_t bytes) {
  const std::size_t used = size();
  if (begin_ >= used && capacity_ - used >= bytes) {  // sliding down costs less than growing
    std::memmove(data_, data_ + begin_, used);
  } else {
    const std::size_t wanted = std::max<std::size_t>({used + bytes, capacity_ + capacity_ / 2, 64});
    auto* grown = static_cast<std::uint8_t*>(std::malloc(wanted));
    if (grown == nullptr) throw std::bad_alloc();
    if (used != 0) std::memcpy(grown, data_ + begin_, used);
    std::free(data_);
    data_ = grown;
    capacity_ = wanted;
  }
  begin_ = 0;
  end_ = used;
}

}  // namespace millrace
