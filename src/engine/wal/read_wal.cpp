#include "wal/read_wal.hpp"

namespace pgcairn::engine {

std::optional<Buffer> read_wal(std::span<repo::Repository> repositories, const std::string& stanza,
                               const repo::Cluster& cluster, const std::string& file,
                               FirstError& failure) {
  for (repo::Repository& repository : repositories) {
    Buffer content;
    bool found = false;
    failure.attempt([&] {
      repository.open();
      found =
          repository.get_wal(stanza, cluster, file, [&](Bytes piece) { content.append(piece); });
    });
    if (found) return content;
  }
  return std::nullopt;
}

}  // namespace pgcairn::engine
