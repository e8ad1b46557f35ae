#include "open_repositories.hpp"
#include "settings/repository_settings.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/browse.hpp>

#include <chrono>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"recursive", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "list all objects below the folder; also -r"},
};

struct LsSettings {
  bool recursive = false;
};

LsSettings load(const OptionSources& options, const Settings& settings) {
  require_one_repository(settings, "looks into");
  return {options.is_set("recursive")};
}

constexpr std::size_t kChunkBytes = 64 * kKiB;

std::string time_of(const storage::Object& object) {
  return format_utc(std::chrono::floor<std::chrono::seconds>(object.modified));
}

/// Writes the result while it comes in: a repository may have millions of objects.
class Listing {
 public:
  Listing(Form form, const std::string& repository, const std::string& path, bool recursive)
      : json_(form == Form::json) {
    if (!json_) return;
    JsonWriter head;
    head.begin_object().key("repo-ls").begin_object().member("repository", repository);
    head.member("path", path).member("recursive", recursive).key("entries").begin_array();
    text_ = head.take();
  }

  void add(const repo::FolderEntry& entry) {
    const bool folder = !entry.folder.empty();
    const std::string& key = folder ? entry.folder : entry.object.key;
    if (json_) {
      JsonWriter one;
      one.begin_object().member("key", key).member("type", folder ? "folder" : "object");
      one.key("size-bytes");
      folder ? one.null() : one.value(entry.object.size_bytes);
      one.key("time");
      folder ? one.null() : one.value(time_of(entry.object));
      one.end_object();
      if (count_ > 0) text_ += ',';
      text_ += one.text();
    } else if (folder) {
      text_ += format("{:>36}  {}\n", "", key);
    } else {
      text_ += format("{:>14}  {}  {}\n", entry.object.size_bytes, time_of(entry.object), key);
    }
    ++count_;
    if (text_.size() < kChunkBytes) return;
    print(text_);
    text_.clear();
  }

  void finish() {
    if (json_) text_ += "]}}\n";
    print(text_);
  }

 private:
  bool json_;
  std::string text_;
  std::uint64_t count_ = 0;
};

ExitCode run(const Session& session, const LsSettings& own) {
  const Settings& settings = session.settings;
  std::string path = settings.operands.empty() ? "" : settings.operands.front();
  if (path == "/") path.clear();
  if (!path.empty()) repo::check_path(path);
  repo::Repository repository = std::move(make_repositories(settings, session.stop).front());
  repository.open();
  Listing listing(settings.output, repository.name(), path, own.recursive);
  const auto object =
      path.empty() || path.ends_with('/') ? std::nullopt : repository.driver().stat(path);
  if (object) {
    listing.add({{}, *object});
  } else {
    const std::string folder = path.empty() || path.ends_with('/') ? path : path + "/";
    const bool found =
        repo::list_folder(repository, folder, own.recursive,
                          [&](const repo::FolderEntry& entry) { listing.add(entry); });
    if (!found) {
      throw MissingError(format("there is no \"{}\" in repository \"{}\"", path, repository.name()),
                         repo::what_is_near(repository, path));
    }
  }
  listing.finish();
  return ExitCode::done;
}

}  // namespace

constinit const Verb kRepoLs = {
    .name = "repo-ls",
    .operands = "[PATH]",
    .least_operands = 0,
    .most_operands = 1,
    .summary = "list the objects of a repository",
    .description = lines(R"(
Lists the folder PATH of the repository, or its top level; with --recursive, all objects
below. Shows each object with its size in bytes and the time at which it was stored. When
several repositories are configured, --repo is required.
)"),
    .examples = lines(R"(
pgcairn repo-ls
pgcairn --repo=away repo-ls main/backup
pgcairn repo-ls -r main/data/20261121-010203F
)"),
    .exit_status = lines(R"(
   10  no such repository, folder or object
)"),
    .options = kOptions,
    .takes = "repo output",
    .load = with_settings<load, run>,
    .stanza = StanzaUse::all,
    .only_reads = true,
};

}  // namespace pgcairn::command
