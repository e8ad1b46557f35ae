#pragma once

#include <pgcairn/common/error.hpp>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::test {

/// For CHECK_THAT: the text holds all the parts.
class Says : public Catch::MatcherBase<std::string> {
 public:
  Says(std::initializer_list<std::string> parts) : parts_(parts) {}
  bool match(const std::string& text) const override {
    return std::all_of(parts_.begin(), parts_.end(), [&](const std::string& part) {
      return text.find(part) != std::string::npos;
    });
  }
  std::string describe() const override {
    std::string text = "says";
    for (const std::string& part : parts_) text += " '" + part + "'";
    return text;
  }

 private:
  std::vector<std::string> parts_;
};

/// What an operator would read of the Thrown that `action` throws; empty when it throws none.
template <class Thrown = Error, class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Thrown& error) {
    return error.render();
  }
  return {};
}

}  // namespace pgcairn::test
