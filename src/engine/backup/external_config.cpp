#include "backup/external_config.hpp"

#include <pgcairn/postgres/external_config.hpp>

namespace pgcairn::engine {

Outside find_outside_of(postgres::Connection& connection,
                        const std::filesystem::path& data_directory,
                        const std::vector<std::filesystem::path>& include_paths) {
  const postgres::ConfigPlaces places = postgres::read_config_places(connection);
  postgres::ExternalConfigFiles found =
      postgres::find_external_config(places, data_directory, include_paths);
  Outside outside;
  const auto if_outside = [&](const std::filesystem::path& path) {
    return postgres::is_inside(data_directory, path) ? std::string() : path.native();
  };
  outside.info.config_file = if_outside(places.config_file);
  outside.info.hba_file = if_outside(places.hba_file);
  outside.info.ident_file = if_outside(places.ident_file);
  for (const postgres::SourceFile& file : found.files) {
    if (file.type == postgres::FileType::regular) ++outside.info.files;
  }
  for (const postgres::UnreadableFile& file : found.unreadable) {
    if (outside.info.unreadable.size() == repo::kMostUnreadableNamed) break;
    outside.info.unreadable.push_back({file.path, file.cause});
  }
  outside.files = std::move(found.files);
  return outside;
}

}  // namespace pgcairn::engine
