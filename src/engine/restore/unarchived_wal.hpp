#pragma once

#include <pgcairn/engine/restore/restore.hpp>

namespace pgcairn::engine {

/// Looks in pg_wal, which a restore over an existing directory empties, for what the server wrote
/// and the archive lacks: what it was to archive, and of a server that was not shut down, the
/// segment that it was writing. Refuses the restore, unless the operator gave that up, or another
/// server has it: of a standby or a copy there is only a note. In a dry run it is the first note.
void check_unarchived_wal(RestorePlan& plan);

}  // namespace pgcairn::engine
