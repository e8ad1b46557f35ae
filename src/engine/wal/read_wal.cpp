#include "wal/read_wal.hpp"

#include <pgcairn/repo/stanza_view.hpp>

namespace pgcairn::engine {

std::optional<Buffer> read_wal(std::span<repo::Repository> repositories, const std::string& stanza,
                               const repo::Cluster& cluster, const std::string& file,
                               FirstError& failure) {
  for (repo::Repository& repository : repositories) {
    std::optional<Buffer> content;
    failure.attempt([&] {
      repository.open();
      content = repo::StanzaView(repository, stanza).read_wal(cluster, file);
    });
    if (content) return content;
  }
  return std::nullopt;
}

}  // namespace pgcairn::engine
