#pragma once

#include <pgcairn/common/sandbox.hpp>

#include <memory>
#include <span>

namespace pgcairn::postgres {

/// The directory of an installation, given that of its programs. Pure.
fs::path installation_of(const fs::path& programs);

/// A place for a server where nothing of the host is to be seen but programs and libraries, which
/// cannot be written to, and `own`, which can. `root` is a directory in `own`, for all else that
/// the server makes. What is `hidden` cannot be seen even when it stands among programs. Throws
/// Error when the places do not allow it; whether the kernel does, a Child tells.
std::unique_ptr<Sandbox> sandbox_for_server(const fs::path& root, const fs::path& programs,
                                            const fs::path& own, std::span<const fs::path> hidden);

}  // namespace pgcairn::postgres
