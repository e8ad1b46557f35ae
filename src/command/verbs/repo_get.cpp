#include "console.hpp"
#include "open_repositories.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/browse.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/pack.hpp>

#include <functional>
#include <optional>

namespace pgcairn::command {

namespace {

using Sink = std::function<void(Bytes)>;

/// What a pack holds, as JSON: its frames, where they are, and the pieces of files in them.
std::string index_json(repo::Repository& repository, const std::string& key, Bytes pack) {
  const repo::PackIndex index = repo::PackIndex::parse(pack, repository.seal_context(), key);
  repo::FrameReader reader(repository.seal_context(), key);
  JsonWriter json;
  json.begin_object().key("pack").begin_object().member("key", key);
  json.member("size-bytes", pack.size()).key("frames").begin_array();
  for (std::uint32_t i = 0; i < index.frames(); ++i) {
    const std::uint64_t at = index.offset(i);
    const repo::Frame frame = reader.read(pack.subspan(at), at, repo::FrameKind::data, i);
    json.begin_object().member("offset", at).member("stored-bytes", index.end(i) - at);
    json.member("bytes", index.raw_bytes(i)).member("codec", compress::name_of(frame.codec));
    json.key("pieces").begin_array();
    for (const repo::Piece& piece : repo::read_pieces(frame.about, key, at)) {
      json.begin_object().member("path", escape_bytes(piece.path)).key("runs").begin_array();
      for (const repo::Run& run : piece.runs)
        json.begin_array().value(run.offset_bytes).value(run.length_bytes).end_array();
      json.end_array().end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object().end_object();
  return json.take() + "\n";
}

/// False: there is no such object.
bool fetch(repo::Repository& repository, const Settings& settings, const std::string& key,
           const Sink& sink) {
  if (!settings.raw && !settings.index) return repo::read_content(repository, key, sink);
  Buffer body;
  if (!repository.driver().get(key, {}, body)) return false;
  if (settings.raw) {
    sink(body);
    return true;
  }
  const auto parsed = repo::parse_key(key);
  if (!parsed || parsed->kind != repo::ObjectKind::pack)
    throw UsageError(format("\"{}\" is not a pack, and has no index", key), "leave --index out");
  sink(as_bytes(index_json(repository, key, body)));
  return true;
}

Error taken(const std::filesystem::path& file) {
  return Error(format("cannot write \"{}\": it exists", file.native()),
               "name a file that does not exist; nothing is overwritten");
}

}  // namespace

ExitCode repo_get(const Session& session) {
  const Settings& settings = session.settings;
  const std::string& key = settings.operands.front();
  repo::check_path(key);
  if (!settings.file.empty() && stat_if_exists(settings.file)) throw taken(settings.file);
  repo::Repository repository = std::move(make_repositories(settings, session.stop).front());
  repository.open();
  std::optional<AtomicFile> file;
  const Sink sink = [&](Bytes piece) {
    if (settings.file.empty()) return print(as_text(piece));
    if (!file) file.emplace(settings.file);
    file->write(piece);
  };
  if (!fetch(repository, settings, key, sink)) {
    throw MissingError(
        format("there is no object \"{}\" in repository \"{}\"", key, repository.name()),
        repo::what_is_near(repository, key));
  }
  if (settings.file.empty()) return ExitCode::done;
  if (!file) file.emplace(settings.file);  // an object without content
  if (!file->commit_if_absent()) throw taken(settings.file);
  return ExitCode::done;
}

}  // namespace pgcairn::command
