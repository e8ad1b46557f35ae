#pragma once

#include "settings/settings.hpp"

#include <pgcairn/repo/retention.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace pgcairn::command {

/// Sets the rules of a repository; `text` gives what was said about a key, checked, or nothing.
void load_retention(RepositorySettings& repository,
                    const std::function<std::string(std::string_view key)>& text);

/// The rules of a repository, with the operator's time zone. Throws UsageError when there is no
/// such zone.
repo::RetentionPolicy retention_of(const RepositorySettings& repository);

}  // namespace pgcairn::command
