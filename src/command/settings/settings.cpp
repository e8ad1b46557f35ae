#include "settings/settings.hpp"

#include "settings/config_file.hpp"
#include "settings/health_settings.hpp"
#include "settings/option_sources.hpp"
#include "settings/options.hpp"
#include "settings/recovery_target.hpp"
#include "settings/repository_settings.hpp"
#include "settings/retention.hpp"
#include "settings/values.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <iterator>

namespace pgcairn::command {

namespace {

namespace fs = std::filesystem;

class Loader {
 public:
  Loader(const Arguments& arguments, const SettingsSources& sources)
      : arguments_(arguments), sources_(sources), options_(arguments, sources.environment) {}

  Settings load() {
    settings_.verb = arguments_.verb;
    settings_.operands = arguments_.operands;
    if (needs_config()) read_config();
    load_output();
    if (!needs_config()) return std::move(settings_);
    check_environment();
    choose_stanza();
    choose_repositories();
    load_cluster();
    load_work();
    load_backup();
    load_restore();
    load_verify();
    load_drill();
    load_guard();
    load_stanza();
    load_new_key();
    load_expire();
    load_report();
    load_repository_verbs();
    load_watched();
    if (arguments_.verb == "info" || arguments_.verb == "report")
      load_health_limits(options_, settings_);
    load_data_directories();
    settings_.read_files = read_files(options_.file);
    return std::move(settings_);
  }

 private:
  bool needs_config() const { return arguments_.verb != "help" && arguments_.verb != "version"; }
  /// All stanzas, unless one is named.
  bool shows_all() const {
    static constexpr std::string_view verbs[] = {"info",    "report",  "health",
                                                 "metrics", "repo-ls", "repo-get"};
    return std::find(std::begin(verbs), std::end(verbs), arguments_.verb) != std::end(verbs);
  }
  /// Keys are the repository's, whatever stanzas it has.
  bool is_about_keys() const { return arguments_.verb.starts_with("key-"); }
  bool archives() const { return arguments_.verb.starts_with("archive-"); }
  /// The archive verbs run in it; a drill keeps away from it where there is one.
  bool needs_data_directory() const {
    return !archives() && arguments_.verb != "drill" &&
           find_option("pg-path", arguments_.verb) != nullptr;
  }

  void read_config() {
    const auto named = options_.find("config");
    const fs::path path =
        named ? sources_.working_directory / fs::path(named->text) : fs::path(kDefaultConfig);
    std::optional<std::string> text;
    try {
      text = sources_.read_file(path);
    } catch (const SystemError& error) {
      throw UsageError(format("cannot use the configuration: {}", error.message()), error.hint());
    }
    if (text) {
      settings_.config = path.lexically_normal();
      const auto bears = [this](auto... key) { return may_be_wrong(key...); };
      options_.file = parse_config(*text, path, bears);
      settings_.configured_stanzas = options_.file.stanzas;
      for (const std::string& mistake : options_.file.passed_over) pass_over(mistake);
      // Values of other verbs and stanzas are checked too: an error shows on the first run.
      for (const ConfigEntry& entry : options_.file.entries) {
        check_if_needed(*entry.option, {entry.value, entry.origin, Source::file},
                        may_be_wrong(entry.option, entry.section, entry.name));
      }
      return;
    }
    throw UsageError(
        format("there is no configuration file \"{}\"{}", path.string(),
               named ? format(" (named by {})", named->origin) : ""),
        "write one, starting from pgcairn.toml.example, or name another with --config; "
        "man pgcairn.toml explains every key");
  }

  /// PostgreSQL runs the archive verbs for each segment: what they do not read must not stop them.
  /// Other verbs refuse it. Nor is it known here what a key means that resembles none.
  bool may_be_wrong(const Option* option, Place section, const std::string& name) const {
    if (!archives()) return false;
    if (option == nullptr) return true;
    const auto stanza = options_.find("stanza");
    if (section == in_stanza && stanza && stanza->text != name) return true;
    const bool of_stores = (option->places & in_repo) != 0 && option->verbs.empty();
    return !of_stores && !takes(*option, arguments_.verb);
  }
  void pass_over(const std::string& mistake) {
    settings_.warnings.push_back(
        format("{}; {} does without it, other verbs do not", mistake, arguments_.verb));
  }
  void check_if_needed(const Option& option, const Value& value, bool may_be_wrong) {
    try {
      check_value(option, value);
    } catch (const UsageError& error) {
      if (!may_be_wrong) throw;
      pass_over(error.message());
    }
  }

  /// A misspelt variable would be passed over in silence; one that only looks like ours (Kubernetes
  /// makes PGCAIRN_SERVICE_HOST for a service called pgcairn) must stop nothing.
  void check_environment() {
    std::vector<std::string> known;
    for (const Option& option : all_options()) {
      if ((option.places & in_environment) == 0) continue;
      known.push_back(environment_name(option.name));
      // What other verbs take is checked too, unless what is right depends on the verb (--type).
      const auto value = options_.from_environment(option.name);
      if (value && !depends_on_verb(option.name))
        check_if_needed(option, *value, may_be_wrong(&option, in_global, ""));
    }
    for (const auto& [name, value] : sources_.environment) {
      if (!name.starts_with("PGCAIRN_")) continue;
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      if (const auto near = nearest(name, known)) {
        settings_.warnings.push_back(
            format("unknown environment variable {}: did you mean {}?", name, *near));
      }
    }
  }

  /// Relative to where the operator stands; in the file a path must be absolute.
  fs::path path_of(const Value& value) const {
    return (sources_.working_directory / fs::path(value.text)).lexically_normal();
  }

  void load_output() {
    settings_.log_level = log_level_of(options_.text_of("log-level", archives() ? "warn" : "info"));
    settings_.log_format = options_.text_of("log-format") == "json" ? Form::json : Form::text;
    static const std::map<std::string, Form> forms = {{"text", Form::text},
                                                      {"json", Form::json},
                                                      {"nagios", Form::nagios},
                                                      {"prometheus", Form::prometheus}};
    settings_.output = forms.at(options_.text_of("output", "text"));
  }

  void choose_stanza() {
    if (const auto named = options_.find("stanza")) {
      repo::check_stanza_name(named->text, named->origin + ":");
      settings_.stanza = options_.stanza = named->text;
      return;
    }
    if (shows_all() || is_about_keys()) return;
    if (options_.file.stanzas.size() == 1) {
      settings_.stanza = options_.stanza = options_.file.stanzas.front();
      return;
    }
    if (options_.file.stanzas.empty()) {
      throw UsageError(format("{} configures no stanza", settings_.config.string()),
                       "add a section [stanza.NAME] with the key pg-path");
    }
    throw UsageError(
        "several stanzas are configured and none is named",
        format("add --stanza=NAME; NAME is one of {}", quoted_list(options_.file.stanzas)));
  }

  void choose_repositories() {
    if (options_.file.repositories.empty()) {
      throw UsageError(format("{} configures no repository", settings_.config.string()),
                       "add a section [repo.NAME] with the keys type and path");
    }
    const auto told = options_.from_environment("key-passphrase");
    const std::string passphrase = told ? told->text : std::string();
    const std::vector<std::string> names = repositories_to_use();
    for (const std::string& name : names) {
      RepositorySettings repository =
          load_repository(options_.file, name, settings_.config, passphrase, arguments_.verb);
      if (!archives()) {
        load_retention(repository, [&](std::string_view key) {
          const auto value = options_.of_repository(key, name);
          return value ? value->text : std::string();
        });
      }
      if (takes(*find_key("limit-rate", in_repo), arguments_.verb)) {
        if (const auto rate = options_.of_repository("limit-rate", name))
          repository.bytes_per_second = *parse_size(rate->text);
      }
      settings_.repositories.push_back(std::move(repository));
    }
    const bool needs_one = arguments_.verb == "repo-ls" || arguments_.verb == "repo-get";
    if (needs_one && names.size() > 1) {
      throw UsageError(format("{} looks into one repository, and {} are {}", arguments_.verb,
                              names.size(), settings_.repositories_named ? "named" : "configured"),
                       format("add --repo=NAME; NAME is one of {}", quoted_list(names)));
    }
  }

  /// Names of repositories: in the order of the file, but for a copy, which goes from the first to
  /// the second.
  std::vector<std::string> repositories_to_use() {
    if (arguments_.verb == "repo-copy") {
      std::vector<std::string> ends = {end_of_copy("from"), end_of_copy("to")};
      if (ends.front() != ends.back()) return ends;
      throw UsageError(format("--from and --to both name the repository \"{}\"", ends.front()),
                       format("configured are {}", quoted_list(options_.file.repositories)));
    }
    const auto named = options_.find("repo");
    settings_.repositories_named = named.has_value();
    return named ? repositories_named(options_.file, *named) : options_.file.repositories;
  }

  std::string end_of_copy(std::string_view option) const {
    const auto named = options_.find(option);
    const auto names =
        named ? repositories_named(options_.file, *named) : std::vector<std::string>();
    if (names.size() == 1) return names.front();
    throw UsageError(format("repo-copy needs --{} with one repository", option),
                     format("write --from=NAME --to=NAME; NAME is one of {}",
                            quoted_list(options_.file.repositories)));
  }

  void load_cluster() {
    // These may be about stanzas that this host knows nothing of.
    if (shows_all() || is_about_keys() || arguments_.verb == "stanza-delete" ||
        arguments_.verb == "repo-copy")
      return;
    const bool configured = std::find(options_.file.stanzas.begin(), options_.file.stanzas.end(),
                                      settings_.stanza) != options_.file.stanzas.end();
    if (const auto path = options_.find("pg-path")) {
      settings_.pg_path = path_of(*path);
      settings_.pg_path_overridden = path->source != Source::file;
      auto own = options_.from_file(*find_option("pg-path", arguments_.verb));
      if (!own) own = options_.from_environment("pg-path");
      if (own) settings_.configured_pg_path = path_of(*own);
    } else if (!configured) {
      const auto near = nearest(settings_.stanza, options_.file.stanzas);
      throw UsageError(
          format("stanza \"{}\" is not in {}", settings_.stanza, settings_.config.string()),
          near ? format("did you mean \"{}\"?", *near)
               : format("add a section [stanza.{}] with the key pg-path", settings_.stanza));
    } else if (needs_data_directory()) {
      throw UsageError(
          format("{} needs the data directory of stanza \"{}\"", arguments_.verb, settings_.stanza),
          format("set pg-path in [stanza.{}], or add --pg-path=DIR", settings_.stanza));
    }
    load_connection();
  }

  void load_connection() {
    const auto host = options_.find("pg-host");
    const auto socket = options_.find("pg-socket-path");
    if (host && socket && host->source == socket->source) {
      throw UsageError(format("{} and {} are both given", host->origin, socket->origin),
                       "a server is reached over TCP or through a socket: remove one of them");
    }
    // Between sources the stronger one wins, as for any option.
    if (host && (!socket || host->source < socket->source)) {
      settings_.connection.host = host->text;
    } else if (socket) {
      settings_.connection.host = path_of(*socket).string();
    }
    if (const auto port = options_.find("pg-port")) {
      settings_.connection.port = static_cast<std::uint16_t>(*parse_number(port->text));
    }
    settings_.connection.user = options_.text_of("pg-user");
    settings_.connection.database = options_.text_of("pg-database");
  }

  void load_work() {
    if (const auto count = options_.find("process-max")) {
      settings_.process_max = static_cast<unsigned>(*parse_number(count->text));
    }
    if (const auto timeout = options_.find("archive-timeout")) {
      settings_.archive_timeout = *parse_duration(timeout->text);
    }
    settings_.copy_wal = options_.text_of("wal") == "copy";
    settings_.resume = is_true(options_.text_of("resume", "true"));
    settings_.start_fast = is_true(options_.text_of("start-fast", "false"));
    settings_.compress_type = *compress::parse_codec(options_.text_of("compress-type", "zst"));
    const compress::LevelRange range = compress::levels_of(settings_.compress_type);
    settings_.compress_level = range.usual;
    const auto level = options_.find("compress-level");
    if (level && settings_.compress_type != compress::CodecId::none) {
      const std::int64_t number = *parse_number(level->text);
      if (number < range.least || number > range.most) {
        throw UsageError(
            format("{} must be a whole number from {} to {} for compress-type {}, "
                   "not \"{}\"",
                   level->origin, range.least, range.most,
                   compress::name_of(settings_.compress_type), level->text));
      }
      settings_.compress_level = static_cast<int>(number);
    }
  }

  void load_backup() {
    if (arguments_.verb != "backup") return;
    settings_.backup_type = *repo::parse_backup_type(options_.text_of("type", "incr"));
    settings_.delta = is_true(options_.text_of("delta", "false"));
    settings_.expire_auto = is_true(options_.text_of("expire-auto", "true"));
    for (const Value& path : options_.all("include-path"))
      settings_.include_paths.push_back(path_of(path));
  }

  /// Which backup, and where recovery ends.
  void load_goal() {
    settings_.set = options_.text_of("set");
    if (settings_.set == "latest") settings_.set.clear();  // as without it
    settings_.accept_damage = is_true(options_.text_of("accept-damage", "false"));
    if (settings_.accept_damage && settings_.set.empty()) {
      throw UsageError(format("{} --accept-damage needs --set", arguments_.verb),
                       "name the backup; \"pgcairn info\" lists them");
    }
    load_target();
    load_timeline();
  }

  void load_restore() {
    if (arguments_.verb != "restore") return;
    settings_.dry_run = is_true(options_.text_of("dry-run", "false"));
    settings_.archive_off = options_.text_of("archive-mode") == "off";
    settings_.archive_kept = options_.text_of("archive-mode") == "preserve";
    settings_.replace = is_true(options_.text_of("replace", "false"));
    if (const auto programs = options_.find("pg-bin")) settings_.pg_bin = path_of(*programs);
    settings_.allow_tablespaces = options_.absolute_paths("allow-tablespace");
    if (const auto gap = options_.find("accept-gap")) settings_.accept_gap = gap_of(*gap);
    load_goal();
    for (auto& [key, value] : maps_of("recovery-option")) {
      check_recovery_option(key, settings_);
      settings_.recovery_options.emplace_back(key, value);
    }
    for (const auto& [name, value] : arguments_.options) {
      if (name == "db-include") settings_.db_include.push_back(value);
      if (name == "db-exclude") settings_.db_exclude.push_back(value);
    }
    if (const auto all = options_.find("tablespace-map-all"))
      settings_.tablespace_map_all = path_of(*all).string();
    load_delta();
    if (const auto place = options_.find("config-to")) settings_.config_to = path_of(*place);
    settings_.link_all = is_true(options_.text_of("link-all", "false"));
    for (auto& [path, place] : maps_of("link-map"))
      settings_.link_map.emplace(path, path_of({place, "", {}}).string());
    for (auto& [old_place, new_place] : maps_of("tablespace-map"))
      settings_.tablespace_map.emplace(old_place, path_of({new_place, "", {}}).string());
  }

  void load_delta() {
    settings_.delta = is_true(options_.text_of("delta", "false"));
    settings_.server_is_stopped = is_true(options_.text_of("server-is-stopped", "false"));
    settings_.remove_tablespaces = options_.absolute_paths("remove-tablespace");
    if (settings_.remove_tablespaces.empty() || settings_.delta) return;
    throw UsageError("restore --remove-tablespace needs --delta",
                     "without it nothing is removed but what an interrupted restore wrote");
  }

  /// What A=B options of this name say, in order; each A once.
  std::vector<std::pair<std::string, std::string>> maps_of(std::string_view option) const {
    std::vector<std::pair<std::string, std::string>> maps;
    for (const auto& [name, value] : arguments_.options) {
      if (name != option) continue;
      auto map = parse_map(value, format("option --{}", name));
      const bool twice = std::any_of(maps.begin(), maps.end(),
                                     [&](const auto& one) { return one.first == map.first; });
      if (twice) throw UsageError(format("option --{} names \"{}\" twice", option, map.first));
      maps.push_back(std::move(map));
    }
    return maps;
  }

  void load_guard() {
    if (arguments_.verb != "archive-get") return;
    settings_.allow_tablespaces = options_.absolute_paths("allow-tablespace");
    if (const auto guard = options_.find("guard")) read_guard(*guard, settings_);
    if (const auto gap = options_.find("accept-gap")) settings_.accept_gap = gap_of(*gap);
  }

  void load_drill() {
    const Option& option = *find_option("drill-path", "drill");
    auto path = options_.find(option.name);
    if (arguments_.verb != "drill") {  // others keep away from there
      path = options_.from_environment(option.name);
      if (!path) path = options_.from_file(option);
      if (path) settings_.drill_path = path_of(*path);
      return;
    }
    if (!path) {
      throw UsageError("drill needs a directory to restore into",
                       format("set drill-path in [stanza.{}], or add --drill-path=DIR; there must "
                              "be room for the whole cluster",
                              settings_.stanza));
    }
    settings_.drill_path = path_of(*path);
    for (const Value& query : options_.all("drill-sql")) settings_.drill_sql.push_back(query.text);
    if (const auto timeout = options_.find("drill-timeout"))
      settings_.drill_timeout = *parse_duration(timeout->text);
    settings_.drill_sandbox = options_.text_of("drill-sandbox", "auto");
    if (const auto programs = options_.find("pg-bin")) settings_.pg_bin = path_of(*programs);
    settings_.foreign_keys = is_true(options_.text_of("foreign-keys", "false"));
    settings_.keep = is_true(options_.text_of("keep", "false"));
    settings_.record = is_true(options_.text_of("record", "true"));
    load_goal();
  }

  void load_verify() {
    if (arguments_.verb != "verify") return;
    settings_.set = options_.text_of("set");
    settings_.level = options_.text_of("level", "quick");
    settings_.record = is_true(options_.text_of("record", "true"));
    const auto sample = options_.find("sample");
    const auto limit = options_.find("max-duration");
    for (const std::string_view name : {"sample", "max-duration"}) {
      if (!options_.find(name) || settings_.level == "full") continue;
      throw UsageError(format("verify --level=quick takes no --{}", name),
                       "it opens nothing; add --level=full");
    }
    if (limit && (sample || !settings_.set.empty())) {
      throw UsageError(format("verify --max-duration takes no --{}", sample ? "sample" : "set"),
                       "it goes through all that is stored, a part in each run");
    }
    if (sample) settings_.sample_percent = static_cast<unsigned>(*parse_percent(sample->text));
    if (limit) settings_.max_duration = *parse_duration(limit->text);
  }

  void load_stanza() {
    settings_.state_path = path_of({options_.text_of("state-path", kDefaultStatePath), "", {}});
    settings_.force = is_true(options_.text_of("force", "false"));
    settings_.all_hosts = is_true(options_.text_of("all-hosts", "false"));
    settings_.reason = options_.text_of("reason");
    if (arguments_.verb == "stanza-delete")
      settings_.dry_run = is_true(options_.text_of("dry-run", "false"));
  }

  void load_new_key() {
    if (!is_about_keys()) return;
    if (arguments_.verb != "key-list" && settings_.repositories.size() > 1) {
      throw UsageError(
          format("{} changes one repository, and several are configured", arguments_.verb),
          format("add --repo=NAME; NAME is one of {}", quoted_list(options_.file.repositories)));
    }
    settings_.label = options_.text_of("label");
    std::string_view first;
    for (const std::string_view name :
         {"new-passphrase-file", "new-key-file", "new-key-command", "new-passphrase"}) {
      const auto value = options_.find(name);
      if (!value) continue;
      // The environment's is for want of anything else.
      if (!first.empty() && value->source == Source::environment) continue;
      if (!first.empty()) {
        throw UsageError(format("--{} and --{} are both given", first, name),
                         "a slot has one secret: remove one of them");
      }
      first = name;
      if (name == "new-passphrase-file") settings_.new_key.passphrase_file = path_of(*value);
      if (name == "new-key-file") settings_.new_key.file = path_of(*value);
      if (name == "new-key-command") settings_.new_key.command = value->text;
      if (name == "new-passphrase") settings_.new_key.passphrase = value->text;
    }
  }

  void load_expire() {
    if (arguments_.verb == "expire") {
      settings_.set = options_.text_of("set");
      settings_.dry_run = is_true(options_.text_of("dry-run", "false"));
      settings_.resume = is_true(options_.text_of("resume", "true"));
      settings_.allow_mass_removal = is_true(options_.text_of("allow-mass-removal", "false"));
    }
    settings_.until = options_.text_of("until");
    if (arguments_.verb == "hold" && settings_.reason.empty()) {
      throw UsageError("hold needs a reason", "add --reason=TEXT: it is shown with the hold");
    }
  }

  void load_report() {
    if (arguments_.verb == "info") settings_.set = options_.text_of("set");
    if (const auto file = options_.find("file")) settings_.file = path_of(*file);
  }

  void load_repository_verbs() {
    settings_.recursive = is_true(options_.text_of("recursive", "false"));
    settings_.raw = is_true(options_.text_of("raw", "false"));
    settings_.index = is_true(options_.text_of("index", "false"));
    if (settings_.raw && settings_.index)
      throw UsageError("--raw and --index are both given", "remove one of them");
    if (arguments_.verb == "repo-get" && arguments_.operands.size() > 1)
      settings_.file = path_of({arguments_.operands[1], "", {}});
    if (arguments_.verb != "repo-copy") return;
    settings_.set = options_.text_of("set");
    settings_.dry_run = is_true(options_.text_of("dry-run", "false"));
  }

  void load_watched() {
    if (arguments_.verb != "health" && arguments_.verb != "metrics") return;
    std::vector<std::string> names = options_.file.stanzas;
    if (!settings_.stanza.empty()) names = {settings_.stanza};
    if (names.empty()) {
      throw UsageError(format("{} configures no stanza", settings_.config.string()),
                       "add a section [stanza.NAME] with the key pg-path");
    }
    const std::string asked = settings_.stanza;
    for (const std::string& name : names) {
      settings_.stanza = options_.stanza = name;
      settings_.connection = {};
      const auto path = options_.find("pg-path");
      if (!path) {
        throw UsageError(
            format("{} needs the data directory of stanza \"{}\"", arguments_.verb, name),
            format("set pg-path in [stanza.{}]", name));
      }
      load_connection();
      settings_.watched.push_back(
          {{name, path_of(*path), settings_.connection}, health_limits(options_)});
    }
    settings_.stanza = options_.stanza = asked;
  }

  void load_data_directories() {
    std::vector<std::string> names = options_.file.stanzas;
    if (!settings_.stanza.empty()) names = {settings_.stanza};
    if (!settings_.pg_path.empty()) {
      settings_.data_directories = {settings_.pg_path};
      return;
    }
    for (const std::string& name : names) {
      if (const ConfigEntry* const entry = options_.file.find(in_stanza, name, "pg-path"))
        settings_.data_directories.emplace_back(entry->value);
    }
  }

  void load_target() {
    settings_.type = options_.text_of("type", "default");
    settings_.target = options_.text_of("target");
    settings_.target_action = options_.text_of("target-action");
    settings_.target_exclusive = is_true(options_.text_of("target-exclusive", "false"));
    read_target(settings_);
  }

  void load_timeline() {
    const auto timeline = options_.find("target-timeline");
    if (!timeline) return;
    const std::string& type = settings_.type;
    if (type == "immediate" || type == "none" || type == "preserve") {
      throw UsageError(format("{} --type={} takes no --target-timeline", arguments_.verb, type),
                       "the end of a backup is on the backup's own timeline");
    }
    settings_.target_timeline = timeline->text;
    if (timeline->text == "latest" || timeline->text == "current") return;
    if (!parse_timeline(timeline->text)) {
      throw UsageError(format("{} must be a number, current or latest, not \"{}\"",
                              timeline->origin, timeline->text),
                       "timeline 18 is 18, 0x12, or 00000012 as in the names of its WAL files; "
                       "\"pgcairn info\" shows the timelines of backups");
    }
  }

  const Arguments& arguments_;
  const SettingsSources& sources_;
  OptionSources options_;
  Settings settings_;
};

}  // namespace

Settings load_settings(const Arguments& arguments, const SettingsSources& sources) {
  return Loader(arguments, sources).load();
}

Form early_log_format(std::span<const std::string> words,
                      const std::map<std::string, std::string>& environment) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--log-format=json") return Form::json;
    if (words[i] == "--log-format") {
      return i + 1 < words.size() && words[i + 1] == "json" ? Form::json : Form::text;
    }
    if (words[i].starts_with("--log-format=")) return Form::text;
  }
  const auto at = environment.find("PGCAIRN_LOG_FORMAT");
  return at != environment.end() && at->second == "json" ? Form::json : Form::text;
}

}  // namespace pgcairn::command
