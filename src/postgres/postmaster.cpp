#include "server_signs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/postmaster.hpp>

namespace pgcairn::postgres {

namespace {

/// Why pg_control does not prove that no server has the directory open; empty when it does.
std::string doubt_of_control(const fs::path& data_directory) {
  if (!stat_if_exists(data_directory / "global/pg_control")) return {};  // none starts from it
  try {
    const ControlFile control = read_control_file(data_directory);
    if (is_shut_down(control) || never_started(control)) return {};
    return "there is no postmaster.pid, but pg_control does not say that the server was shut down";
  } catch (const Error& error) {
    return format(
        "there is no postmaster.pid, but pg_control does not say whether the server was shut down: "
        "{}",
        error.message());
  }
}

std::string what_file_says(const PostmasterFile& file) {
  if (file.process == 0) return "postmaster.pid holds no process number";
  return format("postmaster.pid names process {}", file.process);
}

/// What proves that a server runs; empty: nothing does.
std::string proof_of_life(const fs::path& data_directory, const std::optional<PostmasterFile>& file,
                          const ProcessSigns& seen) {
  if (!seen.running.empty()) return seen.running;
  if (file && look_at_memory(*file) == MemorySign::attached)
    return format("the server's shared memory (id {}) is in use", file->memory->second);
  if (file && answers_at_socket(*file))
    return format("the server answers at \"{}\"", file->socket.native());
  const std::string open = open_for_writing(data_directory);
  return open.empty() ? "" : format("a process has \"{}\" open for writing", open);
}

}  // namespace

ServerSigns look_for_server(const fs::path& data_directory) {
  struct stat directory {};
  if (::stat(data_directory.c_str(), &directory) != 0) {
    if (errno == ENOENT) return {ServerLife::stopped, {}};
    throw SystemError(format("cannot examine \"{}\"", data_directory.native()), errno);
  }
  const auto file = read_postmaster_file(data_directory);
  const ProcessSigns seen = look_at_processes(directory, file ? file->process : 0);
  const std::string proof = proof_of_life(data_directory, file, seen);
  if (!proof.empty()) return {ServerLife::running, proof};
  const std::string doubt = file ? what_file_says(*file) : doubt_of_control(data_directory);
  if (doubt.empty()) return {ServerLife::stopped, {}};
  if (file && look_at_memory(*file) == MemorySign::left) return {ServerLife::stopped, {}};
  if (!seen.possible.empty())
    return {ServerLife::unknown, format("{}, and {}", doubt, seen.possible)};
  if (!is_on_local_disk(data_directory)) {
    return {ServerLife::unknown,
            format("{}, and a server on another machine may use this file system", doubt)};
  }
  if (seen.complete) return {ServerLife::stopped, {}};
  return {
      ServerLife::unknown,
      format("{}, and not all processes of this machine can be seen from here: a server may run "
             "in another container",
             doubt)};
}

}  // namespace pgcairn::postgres
