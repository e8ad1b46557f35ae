#include "verbs.hpp"

namespace pgcairn::command {

namespace {

constexpr const Verb* kVerbs[] = {
    &kStanzaCreate, &kArchivePush, &kArchiveGet, &kCheck,         &kBackup,       &kInfo,
    &kReport,       &kHealth,      &kMetrics,    &kRestore,       &kVerify,       &kDrill,
    &kExpire,       &kHold,        &kUnhold,     &kAnnotate,      &kRepoLs,       &kRepoGet,
    &kRepoCopy,     &kStop,        &kStart,      &kStanzaUpgrade, &kStanzaDelete, &kKeyList,
    &kKeyAdd,       &kKeyRemove,   &kKeyRotate,  &kHelp,          &kVersion,
};

}  // namespace

std::span<const Verb* const> all_verbs() {
  return kVerbs;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb* const verb : kVerbs) {
    if (verb->name == name) return verb;
  }
  return nullptr;
}

}  // namespace pgcairn::command
