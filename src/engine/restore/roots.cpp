#include "restore/roots.hpp"

#include "restore/paths.hpp"
#include "stanza/manifest_paths.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/path_status.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kTablespaces = "pg_tblspc/";

fs::path real_path(const fs::path& path) {
  std::error_code error;
  const fs::path found = fs::weakly_canonical(path, error);
  if (error) throw SystemError(format("cannot examine \"{}\"", path.native()), error.value());
  const fs::path real = found.has_filename() ? found : found.parent_path();
  const auto status = stat_if_exists(real);
  if (status && S_ISLNK(status->st_mode)) {
    throw UsageError(format("\"{}\" is a dangling symbolic link", path.native()),
                     "create the directory that it points to, or remove it; nothing was touched");
  }
  return real;
}

}  // namespace

Places::Places(const RestorePlan& plan) : plan_(plan) {
  for (const TablespacePlan& space : plan.tablespaces)
    links_.insert_or_assign(format("{}{}", kTablespaces, space.oid), Link{space.location, false});
  for (const LinkPlan& link : plan.links) add_link(link);
}

void Places::add_link(const LinkPlan& link) {
  if (link.location.empty()) return;
  links_.insert_or_assign(link.path, Link{link.location, link.is_file});
}

/// The innermost link that `path` is or is below.
const std::pair<const std::string, Places::Link>* Places::link_above(std::string_view path) const {
  if (links_.empty()) return nullptr;
  for (std::string_view part = path; !part.empty();) {
    const auto found = links_.find(part);
    if (found != links_.end()) return &*found;
    const std::size_t slash = part.rfind('/');
    part = slash == std::string_view::npos ? std::string_view{} : part.substr(0, slash);
  }
  return nullptr;
}

bool Places::has(std::string_view path) const {
  if (repo::is_outside(path)) return !plan_.options.config_to.empty();
  if (is_left_to_init_fork(path, plan_.unlogged)) return false;
  return std::find(plan_.left_paths.begin(), plan_.left_paths.end(), path) ==
         plan_.left_paths.end();
}

Place Places::of(std::string_view path) const {
  if (repo::is_outside(path)) return {plan_.options.config_to, std::string(path.substr(1))};
  const auto* const found = link_above(path);
  if (found == nullptr) return {plan_.data_directory, std::string(path)};
  const auto& [link, target] = *found;
  if (target.is_file) return {target.location.parent_path(), target.location.filename().native()};
  if (link.size() == path.size()) return {target.location, {}};
  return {target.location, std::string(path.substr(link.size() + 1))};
}

Place Places::name_of(std::string_view path) const {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {plan_.data_directory, std::string(path)};
  return of(path.substr(0, slash)) / path.substr(slash + 1);
}

std::optional<fs::path> Places::link_target(std::string_view path) const {
  const auto found = links_.find(path);
  if (found == links_.end()) return std::nullopt;
  return found->second.location;
}

/// While the plan is made, nothing is changed and paths may still be added.
fs::path Roots::real(const fs::path& root) const {
  const auto known = plan_.real.find(root);
  if (known != plan_.real.end()) return known->second;
  PGCAIRN_ASSERT(plan_.real.empty());
  return real_path(root);
}

const Beneath* Roots::find(const fs::path& root) {
  std::lock_guard lock(mutex_);
  const auto known = open_.find(root.native());
  if (known != open_.end()) return &known->second;
  auto found = Beneath::open_real(real(root));
  if (!found) return nullptr;
  return &open_.emplace(root.native(), std::move(*found)).first->second;
}

const Beneath& Roots::get(const fs::path& root) {
  const Beneath* const found = find(root);
  if (found == nullptr)
    throw SystemError(format("cannot open directory \"{}\"", root.native()), ENOENT);
  return *found;
}

const Beneath& Roots::make(const fs::path& root) {
  if (const Beneath* const found = find(root)) return *found;
  std::lock_guard lock(mutex_);
  return open_.emplace(root.native(), Beneath::make_real(real(root), 0700)).first->second;
}

std::optional<struct stat> Roots::status(const Place& place) {
  const Beneath* const root = find(place.root);
  return root == nullptr ? std::nullopt : root->status(place.path);
}

std::vector<Place> Roots::contents(const fs::path& place) {
  const Place itself{place.parent_path(), place.filename().native()};
  const auto found = status(itself);
  if (!found) return {};
  if (!S_ISDIR(found->st_mode)) return {itself};
  std::vector<Place> below;
  for (const std::string& name : get(place).list("")) {
    if (name != kLostAndFound) below.push_back({place, name});
  }
  return below;
}

void resolve_roots(RestorePlan& plan) {
  std::map<fs::path, fs::path> real;
  const auto add = [&](const fs::path& root) {
    if (root.empty()) return;
    real.emplace(root, real_path(root));
  };
  add(plan.data_directory);
  add(plan.options.config_to);
  for (const TablespacePlan& space : plan.tablespaces) add(space.location);
  for (const LinkPlan& link : plan.links) {
    if (!link.is_file) add(link.location);
    add(link.location.parent_path());
  }
  for (const auto* places : {&plan.abandoned, &plan.marked, &plan.cluster_mounts}) {
    for (const fs::path& place : *places) {
      add(place.parent_path());
      // What is removed there is what is there: never what a link leads to.
      if (!path_is_link(place)) add(place);
    }
  }
  plan.real = std::move(real);
}

}  // namespace pgcairn::engine
