#include "stanza/missing_stanza.hpp"

#include <pgcairn/common/text.hpp>

namespace pgcairn::engine {

std::optional<std::string> nearest_stanza(repo::Repository& repository, const std::string& name) {
  try {
    return nearest(name, repository.stanzas());
  } catch (const Error&) {
    return std::nullopt;  // only a hint: the error that it belongs to is thrown
  }
}

MissingError missing_stanza(repo::Repository& repository, const std::string& name,
                            const std::string& otherwise) {
  const auto near = nearest_stanza(repository, name);
  return MissingError(
      format("there is no stanza \"{}\" in repository \"{}\"", name, repository.name()),
      near ? format("did you mean \"{}\"?", *near) : otherwise);
}

}  // namespace pgcairn::engine
