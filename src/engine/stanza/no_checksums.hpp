#pragma once

#include <string_view>

namespace pgcairn::engine {

/// What backup and check say of a cluster without data checksums.
inline constexpr std::string_view kNoChecksums =
    "pages are not checked: the cluster has no data checksums, so damaged pages are not found. To "
    "enable them, stop the server, run \"pg_checksums --enable\" and start it again";

}  // namespace pgcairn::engine
