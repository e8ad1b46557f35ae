#include "render/render.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

std::string one_line(const engine::Branch& branch, const engine::Branch* followed) {
  std::string text = format("timeline {}", engine::timeline_text(branch.timeline));
  if (branch.parent != 0) {
    text += format(", which left timeline {} at {}", engine::timeline_text(branch.parent),
                   to_string(branch.left_at));
  }
  if (!branch.history_known) text += ", whose history cannot be read";
  text += branch.last_commit ? format(", last transaction {}", format_utc(*branch.last_commit))
                             : ", last transaction not known";
  const bool later = followed != nullptr && followed != &branch && branch.last_commit &&
                     followed->last_commit && *branch.last_commit > *followed->last_commit;
  if (later) text += " (LATER)";
  if (followed == &branch) {
    text += branch.newest ? ": followed, as it is the newest with WAL" : ": followed";
  } else if (!branch.has_way) {
    if (branch.way_is_known) text += "; no backup is on the way to it";
  } else {
    text += format("; --target-timeline={} follows it", branch.timeline);
  }
  return text;
}

}  // namespace

std::vector<std::string> branch_lines(std::span<const engine::Branch> branches, Timeline followed) {
  const auto found = std::find_if(branches.begin(), branches.end(),
                                  [&](const auto& one) { return one.timeline == followed; });
  const engine::Branch* const first = found == branches.end() ? nullptr : &*found;
  std::vector<std::string> lines;
  if (first != nullptr) lines.push_back(one_line(*first, first));
  for (const engine::Branch& branch : branches) {
    if (&branch != first) lines.push_back(one_line(branch, first));
  }
  return lines;
}

void write_branches(JsonWriter& json, std::span<const engine::Branch> branches) {
  json.key("branches").begin_array();
  for (const engine::Branch& branch : branches) {
    json.begin_object().member("cluster", branch.cluster).member("timeline", branch.timeline);
    json.member("newest", branch.newest).member("history-known", branch.history_known);
    json.key("left-timeline");
    branch.parent != 0 ? json.value(branch.parent) : json.null();
    json.key("left-lsn");
    branch.parent != 0 ? json.value(to_string(branch.left_at)) : json.null();
    json.key("last");
    branch.last.empty() ? json.null() : json.value(branch.last);
    json.key("last-time");
    branch.last_commit ? json.value(format_utc(*branch.last_commit)) : json.null();
    json.key("reachable");
    branch.has_way || branch.way_is_known ? json.value(branch.has_way) : json.null();
    json.end_object();
  }
  json.end_array();
}

}  // namespace pgcairn::command
