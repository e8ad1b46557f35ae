#include "open_repositories.hpp"
#include "settings/repository_settings.hpp"
#include "settings/values.hpp"
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

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"raw", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "write the bytes as they are stored"},
    {"index", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "of a pack: list its frames and what they hold, as JSON"},
};

struct GetSettings {
  fs::path file;  // empty: standard output
  bool raw = false;
  bool index = false;
};

GetSettings load(const OptionSources& options, const Settings& settings) {
  require_one_repository(settings, "looks into");
  GetSettings own;
  if (settings.operands.size() > 1) own.file = options.path_of({settings.operands[1], "", {}});
  own.raw = options.is_set("raw");
  own.index = options.is_set("index");
  if (own.raw && own.index)
    throw UsageError("--raw and --index are both given", "remove one of them");
  return own;
}

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
bool fetch(repo::Repository& repository, const GetSettings& own, const std::string& key,
           const Sink& sink) {
  if (!own.raw && !own.index) return repo::read_content(repository, key, sink);
  Buffer body;
  if (!repository.driver().get(key, {}, body)) return false;
  if (own.raw) {
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

ExitCode run(const Session& session, const GetSettings& own) {
  const Settings& settings = session.settings;
  const std::string& key = settings.operands.front();
  repo::check_path(key);
  if (!own.file.empty() && stat_if_exists(own.file)) throw taken(own.file);
  repo::Repository repository = std::move(make_repositories(settings, session.stop).front());
  repository.open();
  std::optional<AtomicFile> file;
  const Sink sink = [&](Bytes piece) {
    if (own.file.empty()) return print_bytes(as_text(piece));
    if (!file) file.emplace(own.file);
    file->write(piece);
  };
  if (!fetch(repository, own, key, sink)) {
    throw MissingError(
        format("there is no object \"{}\" in repository \"{}\"", key, repository.name()),
        repo::what_is_near(repository, key));
  }
  if (own.file.empty()) return ExitCode::done;
  if (!file) file.emplace(own.file);  // an object without content
  if (!file->commit_if_absent()) throw taken(own.file);
  return ExitCode::done;
}

}  // namespace

constinit const Verb kRepoGet = {
    .name = "repo-get",
    .operands = "KEY [FILE]",
    .least_operands = 1,
    .most_operands = 2,
    .summary = "fetch an object, decrypted and decompressed",
    .description = lines(R"(
Writes the content of an object to standard output, or to FILE, which must not exist: the WAL
file, the lines of a manifest part, the JSON of a document, or the contents of a pack's frames
one after the other (--index lists the frames). The content is decrypted, decompressed and
checked; --raw writes the stored bytes.
)"),
    .examples = lines(R"(
pgcairn repo-get main/backup/20261121-010203F.json
pgcairn repo-get main/data/20261121-010203F/manifest/00000000 | grep PG_VERSION
pgcairn --index repo-get main/data/20261121-010203F/pack/00000000
)"),
    .exit_status = lines(R"(
    4  the object is damaged: discard what was written
   10  no such repository or object
)"),
    .options = kOptions,
    .takes = "repo",
    .load = with_settings<load, run>,
    .stanza = StanzaUse::all,
    .only_reads = true,
    .stays_root = true,
};

}  // namespace pgcairn::command
