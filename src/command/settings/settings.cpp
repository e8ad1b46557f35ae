#include "settings/settings.hpp"

#include "settings/config_file.hpp"
#include "settings/file_hint.hpp"
#include "settings/options.hpp"
#include "settings/repository_settings.hpp"
#include "settings/retention.hpp"
#include "settings/values.hpp"
#include "verbs.hpp"

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
      : verb_(*find_verb(arguments.verb)),
        arguments_(arguments),
        sources_(sources),
        options_(arguments, sources.environment, sources.working_directory) {}

  LoadedSettings load() {
    settings_.verb = &verb_;
    settings_.operands = arguments_.operands;
    if (verb_.needs_configuration) read_config();
    load_output();
    if (verb_.needs_configuration) {
      check_environment();
      choose_stanza();
      choose_repositories();
      load_cluster();
      load_work();
      load_places();
    }
    return {std::move(settings_), std::move(options_)};
  }

 private:
  void read_config() {
    const auto named = options_.find("config");
    const fs::path path =
        named ? sources_.working_directory / fs::path(named->text) : fs::path(kDefaultConfig);
    std::optional<std::string> text;
    try {
      text = sources_.read_file(path);
    } catch (const SystemError& error) {
      throw UsageError(format("cannot use the configuration: {}", error.message()),
                       file_hint(error, path, "configuration", verb_.name));
    }
    if (text) {
      settings_.config = path.lexically_normal();
      const auto bears = [this](auto... key) { return may_be_wrong(key...); };
      options_.file = parse_config(*text, path, bears);
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
    if (!verb_.run_by_postgres) return false;
    if (option == nullptr) return true;
    const auto stanza = options_.find("stanza");
    if (section == in_stanza && stanza && stanza->text != name) return true;
    const bool of_stores = (option->places & in_repo) != 0 && option->verbs.empty();
    return !of_stores && !takes(*option, verb_.name);
  }
  void pass_over(const std::string& mistake) {
    settings_.warnings.push_back(
        format("{}; {} does without it, other verbs do not", mistake, verb_.name));
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

  void load_output() {
    settings_.quiet = options_.is_set("quiet");
    const bool warn = verb_.run_by_postgres || settings_.quiet;
    settings_.log_level = log_level_of(options_.text_of("log-level", warn ? "warn" : "info"));
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
    if (verb_.stanza != StanzaUse::one) return;
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
          load_repository(options_.file, name, settings_.config, passphrase, verb_.frees_space);
      if (!verb_.run_by_postgres) {
        load_retention(repository, [&](std::string_view key) {
          const auto value = options_.of_repository(key, name);
          return value ? value->text : std::string();
        });
      }
      if (takes(*find_key("limit-rate", in_repo), verb_.name)) {
        if (const auto rate = options_.of_repository("limit-rate", name))
          repository.bytes_per_second = *parse_size(rate->text);
      }
      settings_.repositories.push_back(std::move(repository));
    }
  }

  /// Names of repositories: in the order of the file, but for a copy, which goes from the first to
  /// the second.
  std::vector<std::string> repositories_to_use() {
    if (find_option("from", verb_.name) != nullptr) {
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
    if (verb_.cluster == ClusterUse::none) return;
    const bool configured = std::find(options_.file.stanzas.begin(), options_.file.stanzas.end(),
                                      settings_.stanza) != options_.file.stanzas.end();
    if (const auto path = options_.find("pg-path")) {
      settings_.pg_path = options_.path_of(*path);
      settings_.pg_path_overridden = path->source != Source::file;
      auto own = options_.from_file(*find_option("pg-path", verb_.name));
      if (!own) own = options_.from_environment("pg-path");
      if (own) settings_.configured_pg_path = options_.path_of(*own);
    } else if (!configured) {
      throw stanza_not_configured(settings_.stanza, options_.file.stanzas, settings_.config);
    } else if (verb_.cluster == ClusterUse::directory) {
      throw UsageError(
          format("{} needs the data directory of stanza \"{}\"", verb_.name, settings_.stanza),
          format("set pg-path in [stanza.{}], or add --pg-path=DIR", settings_.stanza));
    }
    settings_.connection = load_connection(options_);
  }

  void load_work() {
    if (const auto count = options_.find("process-max")) {
      settings_.process_max = static_cast<unsigned>(*parse_number(count->text));
    }
    if (const auto timeout = options_.find("archive-timeout")) {
      settings_.archive_timeout = *parse_duration(timeout->text);
    }
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

  /// Places that others may have to keep away from.
  void load_places() {
    settings_.state_path =
        options_.path_of({options_.text_of("state-path", kDefaultStatePath), "", {}});
    const Option& drills = *find_key("drill-path", in_stanza);
    if (!takes(drills, verb_.name)) {
      auto path = options_.from_environment(drills.name);
      if (!path) path = options_.from_file(drills);
      if (path) settings_.drill_path = options_.path_of(*path);
    }
    settings_.configured_stanzas = options_.file.stanzas;
    settings_.read_files = read_files(options_.file);
    load_data_directories();
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

  const Verb& verb_;
  const Arguments& arguments_;
  const SettingsSources& sources_;
  OptionSources options_;
  Settings settings_;
};

}  // namespace

UsageError stanza_not_configured(const std::string& stanza, std::span<const std::string> configured,
                                 const std::filesystem::path& config) {
  const auto near = nearest(stanza, configured);
  return UsageError(format("stanza \"{}\" is not in {}", stanza, config.string()),
                    near ? format("did you mean \"{}\"?", *near)
                         : format("add a section [stanza.{}] with the key pg-path", stanza));
}

LoadedSettings load_settings(const Arguments& arguments, const SettingsSources& sources) {
  return Loader(arguments, sources).load();
}

postgres::ConnectionSettings load_connection(const OptionSources& options) {
  postgres::ConnectionSettings connection;
  const auto host = options.find("pg-host");
  const auto socket = options.find("pg-socket-path");
  if (host && socket && host->source == socket->source) {
    throw UsageError(format("{} and {} are both given", host->origin, socket->origin),
                     "a server is reached over TCP or through a socket: remove one of them");
  }
  // Between sources the stronger one wins, as for any option.
  if (host && (!socket || host->source < socket->source)) {
    connection.host = host->text;
  } else if (socket) {
    connection.host = options.path_of(*socket).string();
  }
  if (const auto port = options.find("pg-port")) {
    connection.port = static_cast<std::uint16_t>(*parse_number(port->text));
  }
  connection.user = options.text_of("pg-user");
  connection.database = options.text_of("pg-database");
  return connection;
}

}  // namespace pgcairn::command
