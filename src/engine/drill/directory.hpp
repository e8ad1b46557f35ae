#pragma once

#include "restore/paths.hpp"

#include <pgcairn/common/file.hpp>

#include <string>

namespace pgcairn::engine {

/// The directory of a drill, which belongs to one drill at a time. Nothing of what links in it lead
/// to is ever touched: seen from here they may lead to the live cluster.
class DrillDirectory {
 public:
  DrillDirectory(const fs::path& directory, const std::string& stanza);
  /// Removes all that a drill makes, unless it is kept.
  ~DrillDirectory();
  DrillDirectory(const DrillDirectory&) = delete;
  DrillDirectory& operator=(const DrillDirectory&) = delete;

  fs::path operator/(const char* name) const { return directory_ / name; }
  const fs::path& path() const { return directory_; }
  /// What this is, for who wants to make sure that no drill is at work: a lock on it.
  int lock() const { return mark_.get(); }
  /// Tablespaces of an earlier drill that the plan has no use for.
  void remove_unused_tablespaces(const RestorePlan& plan) const;
  /// Leaves it all there. What the server had below `root` is linked to from there as well.
  void keep();

 private:
  void require_ours(const std::string& stanza) const;
  void require_no_links() const;
  void make(const char* name) const;
  void remove(const char* name) const;
  void remove_tablespace_links() const;
  template <class Visit>
  void for_each_foreign_link(Visit visit) const;

  fs::path directory_;
  bool made_;
  bool keep_ = false;
  Fd mark_;
};

}  // namespace pgcairn::engine
