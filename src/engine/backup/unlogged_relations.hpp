#pragma once

#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/files.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// An index of an unlogged table is built first and gets its init fork then (index_build, index.c);
/// SET TABLESPACE and CREATE DATABASE copy forks in that order too. A walk that comes by meanwhile
/// takes its files for those of any other relation. Replay makes the init fork, and at the end of
/// recovery the server fails, since it does not overwrite the main fork with it (reinit.c).
///
/// This remembers what a walk took.
class CopiedRelations {
 public:
  /// To be called for all files, in the order of the walk.
  void look_at(const postgres::SourceFile& file);
  void clear() { taken_.clear(); }

  /// Those whose main fork was taken, and which have an init fork now: as "base/5/16399", sorted.
  std::vector<std::string> became_unlogged(const std::filesystem::path& data_directory,
                                           const postgres::ControlFile& control) const;

 private:
  bool took(std::string_view relation) const;

  std::map<std::string, std::vector<std::uint32_t>, std::less<>> taken_;  // by directory
};

}  // namespace pgcairn::engine
