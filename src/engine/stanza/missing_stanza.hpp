#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <string>

namespace pgcairn::engine {

/// The stanza of the repository that `name` was most likely meant to be. Nothing when none is near,
/// or the repository cannot say.
std::optional<std::string> nearest_stanza(repo::Repository& repository, const std::string& name);

/// What to throw where the repository has no such stanza. The hint names the nearest one, or is
/// `otherwise`.
MissingError missing_stanza(repo::Repository& repository, const std::string& name,
                            const std::string& otherwise);

}  // namespace pgcairn::engine
