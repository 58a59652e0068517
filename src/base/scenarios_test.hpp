// Text scenarios of tests/data: what is asked, and below it what comes out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace millrace::test {

// Plays each *.txt of the folder, of which there are `least` or more: play(text) gives the text anew with
// what came out, which must be the same. A test program that is called with --rewrite writes it into the
// files instead; the diff is then for a reviewer to read.
template <class Play>
void hold_scenarios(const std::filesystem::path& folder, std::size_t least, Play play) {
  const auto arguments = ::testing::internal::GetArgvs();
  const bool rewrite = std::find(arguments.begin(), arguments.end(), "--rewrite") != arguments.end();
  std::size_t scenarios = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".txt") continue;
    ++scenarios;
    SCOPED_TRACE(file.path().filename().string());
    std::stringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const std::string came_out = play(text.str());
    if (rewrite) {
      std::ofstream(file.path()) << came_out;
    } else {
      EXPECT_EQ(came_out, text.str()) << file.path();
    }
  }
  EXPECT_GE(scenarios, least) << folder;
}

// Of scenarios of which each line is for run(line) of a Scenario of their own, whose outcome stands below it
// behind two spaces; lines that begin with # are comments.
template <class Scenario>
std::string replay_lines(const std::string& text) {
  Scenario scenario;
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  ")) continue;
    out += line + "\n";
    if (line.empty() || line.starts_with('#')) continue;
    if (const std::string result = scenario.run(line); !result.empty()) out += "  " + result + "\n";
  }
  return out;
}

}  // namespace millrace::test
