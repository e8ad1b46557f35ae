#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <span>
#include <string>

namespace pgcairn::engine {

/// A WAL file, from the first repository that gives it; opens those that it asks. Nothing when none
/// does; `failure` then has why one of them could not answer.
std::optional<Buffer> read_wal(std::span<repo::Repository> repositories, const std::string& stanza,
                               const repo::Cluster& cluster, const std::string& file,
                               FirstError& failure);

}  // namespace pgcairn::engine
