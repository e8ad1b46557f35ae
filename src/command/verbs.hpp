#pragma once

#include "verb.hpp"

#include <span>
#include <string_view>

namespace pgcairn::command {

extern const Verb kAnnotate;
extern const Verb kArchiveGet;
extern const Verb kArchivePush;
extern const Verb kBackup;
extern const Verb kCheck;
extern const Verb kDrill;
extern const Verb kExpire;
extern const Verb kHealth;
extern const Verb kHelp;
extern const Verb kHold;
extern const Verb kInfo;
extern const Verb kKeyAdd;
extern const Verb kKeyList;
extern const Verb kKeyRemove;
extern const Verb kKeyRotate;
extern const Verb kMetrics;
extern const Verb kRepoCopy;
extern const Verb kRepoGet;
extern const Verb kRepoLs;
extern const Verb kReport;
extern const Verb kRestore;
extern const Verb kStanzaCreate;
extern const Verb kStanzaDelete;
extern const Verb kStanzaUpgrade;
extern const Verb kStart;
extern const Verb kStop;
extern const Verb kUnhold;
extern const Verb kVerify;
extern const Verb kVersion;

/// In the order in which help shows them.
std::span<const Verb* const> all_verbs();
/// Null: no such verb.
const Verb* find_verb(std::string_view name);

}  // namespace pgcairn::command
