// A table for people: columns as wide as what is in them, numbers to the right, cut to the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace millrace::cli {

class Table {
 public:
  static constexpr std::size_t kUnlimited = ~std::size_t{0};

  struct Column {
    std::string title;
    bool to_the_right = false;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell a column; shown as printable() has it.
  void add(std::vector<std::string> cells);
  bool empty() const noexcept { return rows_.empty(); }

  // Lines with their ends. When all is wider than `width`, the widest columns are cut first. `bold` marks the
  // titles for a terminal.
  std::string text(std::size_t width, bool bold) const;

 private:
  std::vector<std::size_t> widths(std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace millrace::cli
