#pragma once

#include "verb.hpp"

#include <pgcairn/common/json.hpp>
#include <pgcairn/repo/records.hpp>

#include <string>
#include <vector>

namespace pgcairn::command {

// What verbs about one backup have in common.

/// The label that is the first operand. Throws UsageError.
std::string label_of(const Session& session);

/// "KEY=TEXT" as a note of this backup. Throws UsageError when it is none, is longer than 64 and
/// 1024 bytes, or has control characters.
repo::AnnotationRecord annotation_of(const std::string& label, const std::string& word);

/// The member "repositories".
void write_names(JsonWriter& json, const std::vector<std::string>& names);
/// "a, b"
std::string joined(const std::vector<std::string>& names);

}  // namespace pgcairn::command
