#pragma once

#include <pgcairn/repo/seal_context.hpp>
#include <pgcairn/storage/driver.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::repo {

inline constexpr std::size_t kMostDocumentBytes = 64 * kMiB;

// Documents: pgcairn-repository(5), DOCUMENTS. `json` is one line.

/// True when stored; false (keep) or ConflictError (fail) when the key is taken.
bool put_document(storage::Driver& driver, const SealContext& seal_context, const std::string& key,
                  std::string_view json, storage::IfExists if_exists);

/// The content's line; nothing when there is no such object. Throws DamagedError when its check
/// does not fit.
std::optional<std::string> get_document(storage::Driver& driver, const SealContext& seal_context,
                                        const std::string& key);

}  // namespace pgcairn::repo
