#include "engine/restore/directories.hpp"

#include <catch2/catch.hpp>
#include <linux/magic.h>

namespace pgcairn::engine {

TEST_CASE("the free space of file systems that compress does not tell what fits", "[restore]") {
  for (const std::uint32_t magic : {std::uint32_t{BTRFS_SUPER_MAGIC}, 0x2fc12fc1U, 0xca451a4eU})
    CHECK(may_compress(magic));
  for (const std::uint32_t magic : {std::uint32_t{EXT4_SUPER_MAGIC}, std::uint32_t{TMPFS_MAGIC},
                                    std::uint32_t{OVERLAYFS_SUPER_MAGIC}, 0x58465342U, 0U})
    CHECK_FALSE(may_compress(magic));
}

}  // namespace pgcairn::engine
