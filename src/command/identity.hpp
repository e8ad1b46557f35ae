#pragma once

#include "verbs.hpp"

#include <pgcairn/common/account.hpp>

#include <map>
#include <optional>
#include <span>
#include <string>

namespace pgcairn::command {

/// Makes a run that root started one of the user whose files it touches: what root left in a
/// repository or in state-path, the server's user could not read, and archiving would end.
///
/// The owner of the repositories that are directories and exist, and that of the stanza's data
/// directory, are to be one; where they are not, the cluster's owner is taken if the repositories
/// are open to it (NFS and CIFS show files as another's). Where neither is here, the owner of
/// state-path says. When that is root itself, or nobody says anything, root goes on as root. Before
/// that root makes what only it can make, with the right owner: state-path and, for stanza-create,
/// a repository's directory.
///
/// Nothing happens for other users, and for verbs that stay root. Returns the account when it was
/// changed. Throws UsageError, with the command to use instead, when the owners differ, and
/// SystemError when what would say cannot be looked at and nothing else says.
std::optional<Account> act_as_owner(const Verb& verb, const Settings& settings,
                                    std::span<const std::string> words,
                                    const std::map<std::string, std::string>& environment);

}  // namespace pgcairn::command
