#pragma once

#include "verb.hpp"

#include <pgcairn/common/json.hpp>

#include <string>
#include <vector>

namespace pgcairn::command {

// What verbs about one backup have in common.

/// The label that is the first operand. Throws UsageError.
std::string label_of(const Session& session);

/// The member "repositories".
void write_names(JsonWriter& json, const std::vector<std::string>& names);
/// "a, b"
std::string joined(const std::vector<std::string>& names);

}  // namespace pgcairn::command
