#include "restore/mark.hpp"

#include "restore/paths.hpp"
#include "stanza/owner_names.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kPlaces = "Parts of it are in:";

std::vector<fs::path> places_in(std::string_view text) {
  std::vector<fs::path> places;
  bool below = false;
  for (const std::string& line : split(text, '\n')) {
    if (below && !line.empty()) places.emplace_back(unescape_bytes(line));
    below |= line == kPlaces;
  }
  return places;
}

}  // namespace

RestoreMark read_mark(const fs::path& data_directory) {
  RestoreMark mark;
  const auto top = stat_if_exists(data_directory / ".");
  if (!top || !S_ISDIR(top->st_mode)) return mark;
  const Beneath directory(data_directory);
  const auto status = directory.status(kRestoreMark);
  if (!status || !S_ISREG(status->st_mode) || status->st_nlink != 1) return mark;
  const uid_t us = ::geteuid();
  const uid_t writer = status->st_uid;
  mark.writer = OwnerNames().user(writer);
  const bool closed = (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
  const bool proves_all = closed && (writer == 0 || writer == us);
  mark.counts = proves_all || (us == 0 && writer == top->st_uid);
  if (!mark.counts) return mark;
  std::optional<Buffer> text;
  try {
    text = directory.read_if_exists(kRestoreMark);
  } catch (const SystemError& error) {
    if (error.error_number() != EACCES) throw;
    throw SystemError(format("cannot open \"{}\"", (data_directory / kRestoreMark).native()),
                      EACCES,
                      format("user {} began this restore: finish it as that user", mark.writer));
  }
  for (const fs::path& place : places_in(text ? as_text(*text) : std::string_view{})) {
    const bool ours = proves_all && place.is_absolute() && place == place.lexically_normal();
    (ours ? mark.ours : mark.doubted).push_back(place);
  }
  return mark;
}

bool is_unfinished_restore(const fs::path& data_directory) {
  if (stat_if_exists(data_directory / kRestoreMark)) {
    // With pg_control in its place the restore was complete, and the server may have run since.
    if (stat_if_exists(data_directory / "global/pg_control")) return false;
    const RestoreMark mark = read_mark(data_directory);
    if (!mark.counts) {
      log_warn(format("\"{}\" is ignored: {}", (data_directory / kRestoreMark).native(),
                      mark.writer.empty() ? "it is not a regular file with one hard link"
                                          : format("user {} wrote it", mark.writer)));
    }
    return mark.counts;
  }
  const auto status = stat_if_exists(data_directory / ".");
  if (!status || !S_ISDIR(status->st_mode)) return false;
  // It may have died before the mark had its name.
  const auto names = list_directory(data_directory);
  return !names.empty() && std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with(kRestoreMark) && name.ends_with(kTemporarySuffix);
  });
}

void take_mark(RestorePlan& plan) {
  // A mark beside a pg_control is of a restore that was finished: its places may be anybody's by
  // now.
  if (!plan.resumes) return;
  RestoreMark mark = read_mark(plan.data_directory);
  plan.marked = std::move(mark.ours);
  for (const fs::path& place : mark.doubted) {
    plan.notes.push_back(
        format("the interrupted restore says that it wrote to \"{}\". User {} wrote that, so its "
               "content stays",
               escape_bytes(place.native()), mark.writer));
  }
}

void mark_unfinished(const Beneath& data_directory, const RestorePlan& plan) {
  std::string text = format(
      "pgcairn is restoring backup {} of stanza {} into this directory, or was interrupted while "
      "it did.\n"
      "The server cannot be started from it. Run the same restore again to finish it.\n"
      "{}\n",
      plan.backup.label, plan.stanza, kPlaces);
  std::vector<fs::path> places = plan.marked;
  std::vector<fs::path> ours = outside_places(plan);
  // So that who finishes this restore empties them, when their links are gone already.
  ours.insert(ours.end(), plan.abandoned.begin(), plan.abandoned.end());
  for (const fs::path& place : ours) {
    if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
  }
  for (const fs::path& place : places) text += escape_bytes(place.native()) + "\n";
  data_directory.replace(kRestoreMark, as_bytes(text), 0600);
}

void unmark_unfinished(const Beneath& data_directory) {
  data_directory.remove(kRestoreMark);
  data_directory.sync("");
}

}  // namespace pgcairn::engine
