#pragma once

#include <span>
#include <string_view>

namespace pgcairn::command {

/// What the tables of verbs and options do not say.
struct HelpText {
  std::string_view verb;
  std::string_view description;  // paragraphs, broken into lines of at most 96 columns
  std::string_view examples;     // lines
  std::string_view exit_status;  // lines
};

/// Every verb has one.
const HelpText& help_text_of(std::string_view verb);

/// Descriptions of the exit codes that all verbs but the archive ones share.
extern const std::string_view kSharedExitStatus;

}  // namespace pgcairn::command
