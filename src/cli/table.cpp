#include "cli/table.hpp"

#include <algorithm>
#include <numeric>

#include "base/assert.hpp"
#include "cli/text.hpp"

namespace millrace::cli {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastWidth = 4;  // a column is not cut below this

void Table::add(std::vector<std::string> cells) {
  MILLRACE_ASSERT(cells.size() == columns_.size(), "a row has a cell for each column");
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths(std::size_t width) const {
  std::vector<std::size_t> wide(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    wide[i] = display_width(columns_[i].title);
    for (const auto& row : rows_) wide[i] = std::max(wide[i], display_width(row[i]));
  }
  if (width == kUnlimited || wide.empty()) return wide;
  std::size_t total = std::accumulate(wide.begin(), wide.end(), kGap * (wide.size() - 1));
  while (total > width) {
    const auto widest = std::max_element(wide.begin(), wide.end());
    if (*widest <= kLeastWidth) break;
    --*widest;
    --total;
  }
  return wide;
}

std::string Table::text(std::size_t width, bool bold) const {
  const std::vector<std::size_t> wide = widths(width);
  std::string out;
  const auto put_line = [&](auto&& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string cell = cut_to(cell_of(i), wide[i]);
      const std::string padding(wide[i] - std::min(wide[i], display_width(cell)), ' ');
      if (i != 0) line.append(kGap, ' ');
      line += columns_[i].to_the_right ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  const std::string titles = put_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  out += bold ? "\x1b[1m" + titles + "\x1b[0m\n" : titles + "\n";
  for (const auto& row : rows_)
    out += put_line([&](std::size_t i) -> const std::string& { return row[i]; }) + "\n";
  return out;
}

}  // namespace millrace::cli
