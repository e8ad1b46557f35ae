#include "backup/unlogged_relations.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

using Fork = postgres::RelationFile::Fork;

std::string_view directory_of(std::string_view path) {
  return path.substr(0, path.rfind('/'));
}
std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

void CopiedRelations::look_at(const postgres::SourceFile& file) {
  if (!file.relation || file.relation->fork != Fork::main || file.relation->segment != 0) return;
  const std::string_view directory = directory_of(file.path);
  auto found = taken_.find(directory);
  if (found == taken_.end()) found = taken_.emplace(directory, 0).first;
  found->second.push_back(file.relation->relfilenode);
}

bool CopiedRelations::took(std::string_view relation) const {
  const auto found = taken_.find(directory_of(relation));
  const auto number = parse_u64(name_of(relation));
  if (found == taken_.end() || !number) return false;
  return std::find(found->second.begin(), found->second.end(), *number) != found->second.end();
}

std::vector<std::string> CopiedRelations::became_unlogged(
    const std::filesystem::path& data_directory, const postgres::ControlFile& control) const {
  std::vector<std::string> found;
  postgres::find_unlogged(data_directory, control.major, control.catalog_version,
                          [&](std::string&& relation) {
                            if (took(relation)) found.push_back(std::move(relation));
                          });
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace pgcairn::engine
