#pragma once

#include <cstdint>
#include <string>

namespace pgcairn {

/// A process, so that another one can tell later whether it lives. Its number alone does not tell:
/// containers count for themselves, hosts may share a name, and numbers come again.
struct ProcessIdentity {
  std::string space;          // who counts: this boot of a kernel, and namespaces; empty: not known
  std::uint64_t pid = 0;      // in that space
  std::uint64_t started = 0;  // clock ticks since the boot (proc(5), stat, starttime)
  bool operator==(const ProcessIdentity&) const = default;
};

ProcessIdentity this_process();
/// True when the process certainly no longer lives. False when it lives, and when that cannot be
/// determined from here: it counts in another space, or /proc says nothing.
bool has_ended(const ProcessIdentity& process);

/// What this machine calls itself; "unknown" when it does not say.
std::string host_name();

}  // namespace pgcairn
