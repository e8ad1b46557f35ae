#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

namespace pgcairn::postgres {

/// What a server writes into postmaster.pid (miscinit.c, CreateLockFile).
struct PostmasterFile {
  std::string identity;  // process, directory and time of the start: its first three lines
  int process = 0;       // 0: the file does not say
  std::uint64_t started = 0;
  std::filesystem::path socket;               // empty: none
  std::optional<std::pair<int, int>> memory;  // key and id of its shared memory segment
  struct stat status {};
};
/// Nothing when there is no such file.
std::optional<PostmasterFile> read_postmaster_file(const std::filesystem::path& data_directory);

/// What the processes that this one sees tell of a data directory.
struct ProcessSigns {
  std::string running;    // a server that works there
  std::string possible;   // what may be one
  bool complete = false;  // they are all processes of this machine, and none hides what it is
};
ProcessSigns look_at_processes(const struct stat& directory, int process);

/// The System V segment that a server holds from its start to its end, and each child of it.
enum class MemorySign { none, attached, left };
MemorySign look_at_memory(const PostmasterFile& file);

/// Does a server that wrote this very file listen at its socket?
bool answers_at_socket(const PostmasterFile& file);

/// A file of the cluster that some process of this machine, also in a container, has open for
/// writing; empty when none is found, which proves nothing.
std::string open_for_writing(const std::filesystem::path& data_directory);

/// The same of one directory's files, of which at most `most` are examined.
std::string open_for_writing_in(const std::filesystem::path& folder, std::size_t most);

/// A server at work that this process may look at.
struct SeenServer {
  std::filesystem::path directory;  // its data directory, as /proc reaches it
  std::filesystem::path root;       // its root directory, in the same way
  std::filesystem::path path;       // the data directory as it says itself
  std::string process;              // "process 7, postgres"
  struct stat status {};            // of the data directory
};
std::vector<SeenServer> seen_servers();

/// Is the file system one that only this machine writes to?
bool is_on_local_disk(const std::filesystem::path& path);

}  // namespace pgcairn::postgres
