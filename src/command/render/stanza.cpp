#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

std::string stanza_created_text(std::string_view stanza,
                                std::span<const engine::CreatedStanza> created) {
  std::string text;
  for (const engine::CreatedStanza& one : created) {
    text += format("repository {}{}: stanza {} {} for cluster {}\n", one.repository,
                   one.created_repository ? " (new)" : "", stanza,
                   one.created_stanza ? "created" : "is there already", one.cluster);
  }
  return text;
}

std::string stanza_created_json(std::string_view stanza,
                                std::span<const engine::CreatedStanza> created) {
  JsonWriter json;
  json.begin_object().member("stanza", stanza).key("repositories").begin_array();
  for (const engine::CreatedStanza& one : created) {
    json.begin_object().member("name", one.repository).member("cluster", one.cluster);
    json.member("created-repository", one.created_repository);
    json.member("created-stanza", one.created_stanza).end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

std::string stanza_upgraded_text(std::string_view stanza,
                                 std::span<const engine::UpgradedStanza> upgraded) {
  std::string text;
  for (const engine::UpgradedStanza& one : upgraded) {
    text += format("repository {}: cluster {} {} stanza {}\n", one.repository, one.cluster,
                   one.added ? "added to" : "is there already in", stanza);
    for (const std::string& before : one.before) {
      if (before != one.cluster) text += row("before", before);
    }
  }
  return text;
}

std::string stanza_upgraded_json(std::string_view stanza,
                                 std::span<const engine::UpgradedStanza> upgraded) {
  JsonWriter json;
  json.begin_object().member("stanza", stanza).key("repositories").begin_array();
  for (const engine::UpgradedStanza& one : upgraded) {
    json.begin_object().member("name", one.repository).member("cluster", one.cluster);
    json.member("added", one.added).key("before").begin_array();
    for (const std::string& before : one.before) json.value(before);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

std::string stanza_content_text(std::string_view stanza,
                                std::span<const engine::StanzaContent> contents) {
  std::string text;
  for (const engine::StanzaContent& one : contents) {
    text += format("repository {}: stanza {}\n", one.repository, stanza);
    text += row("backups", format("{}", one.backups.size()));
    for (const std::string& label : one.held) text += row("held", label);
    text += row("wal", counted(one.wal_files, "file"));
    text +=
        row("in all", format("{} in {}", format_size(one.bytes), counted(one.objects, "object")));
  }
  return text;
}

std::string stanza_deleted_text(std::string_view stanza,
                                std::span<const engine::StanzaContent> contents, bool done) {
  return stanza_content_text(stanza, contents) +
         (done ? "all of this is removed\n" : "all of this would be removed (--dry-run)\n");
}

std::string stanza_deleted_json(std::string_view stanza,
                                std::span<const engine::StanzaContent> contents, bool done) {
  JsonWriter json;
  json.begin_object().member("stanza", stanza).member("removed", done);
  json.key("repositories").begin_array();
  for (const engine::StanzaContent& one : contents) {
    json.begin_object().member("name", one.repository).key("backups").begin_array();
    for (const std::string& label : one.backups) json.value(label);
    json.end_array().key("held").begin_array();
    for (const std::string& label : one.held) json.value(label);
    json.end_array().member("wal-files", one.wal_files);
    json.member("objects", one.objects).member("bytes", one.bytes).end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

namespace {

std::string_view stopped_words(bool stopped, bool changed) {
  if (stopped) return changed ? "is stopped" : "was stopped already";
  return changed ? "is started again" : "was not stopped";
}

}  // namespace

std::string stopped_text(std::string_view stanza, bool stopped,
                         std::span<const engine::StoppedRepository> repositories) {
  std::string text;
  for (const engine::StoppedRepository& one : repositories) {
    text += format("repository {}: stanza {} {} for all hosts\n", one.repository, stanza,
                   stopped_words(stopped, one.changed));
  }
  return text;
}

std::string stopped_json(std::string_view stanza, bool stopped,
                         std::span<const engine::StoppedRepository> repositories) {
  JsonWriter json;
  json.begin_object().member("stanza", stanza).member("stopped", stopped);
  json.member("all-hosts", true).key("repositories").begin_array();
  for (const engine::StoppedRepository& one : repositories) {
    json.begin_object().member("name", one.repository).member("changed", one.changed);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

std::string stopped_here_text(std::string_view stanza, bool stopped, bool changed) {
  return format("stanza {} {} on this host\n", stanza, stopped_words(stopped, changed));
}

std::string stopped_here_json(std::string_view stanza, bool stopped, bool changed) {
  JsonWriter json;
  json.begin_object().member("stanza", stanza).member("stopped", stopped);
  json.member("all-hosts", false).member("changed", changed).end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
