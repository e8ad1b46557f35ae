#pragma once

#include "verb.hpp"

#include <pgcairn/common/json.hpp>
#include <pgcairn/repo/records.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::command {

// What verbs about one backup have in common.

/// The label that is the first operand. Throws UsageError.
std::string label_of(const Session& session);
/// The label of the newest backup of a stanza (empty: of all) in these repositories. Throws
/// MissingError when there is none.
std::string newest_label(const std::string& stanza, std::span<repo::Repository> repositories);

/// The word for that label.
inline constexpr std::string_view kLatest = "latest";

/// "KEY=TEXT" as a note of this backup. Throws UsageError when it is none, is longer than 64 and
/// 1024 bytes, or has control characters.
repo::AnnotationRecord annotation_of(const std::string& label, const std::string& word);

/// The member "repositories".
void write_names(JsonWriter& json, const std::vector<std::string>& names);
/// "a, b"
std::string joined(const std::vector<std::string>& names);

}  // namespace pgcairn::command
