#pragma once

#include <pgcairn/common/file.hpp>

#include <string>
#include <vector>

namespace pgcairn {

/// Namespaces of Linux for a child process (user, mount, process, network, IPC, host name): it sees
/// the files that are shown to it, no other process, and no network. Whatever else it makes or
/// removes is in `root`, a directory of ours that is its "/". It keeps its user and has no rights
/// beyond them. As process 1 of its namespace it takes all others with it when it ends.
class Sandbox {
 public:
  /// Makes the directory.
  explicit Sandbox(fs::path root);

  enum class Access { read, write };
  /// Lets the child see a file or directory under its own name. One that is absent is skipped;
  /// a symbolic link is made again as it is. Throws Error when another path that is shown leads
  /// elsewhere.
  void show(const fs::path& path, Access access = Access::read);
  /// Covers a directory, wherever it can be seen.
  void hide(const fs::path& directory);
  /// Ends the description: from here on a Child can be started in it.
  void seal();

  const fs::path& root() const { return root_; }
  /// Makes the directory `path` as the child sees it, at any time. False when it would be in
  /// something that is shown, or behind a link: what is there is not the child's alone.
  bool make_directory(const fs::path& path) const;

  /// The same of a file with this content, before a child is started.
  bool put_file(const fs::path& path, Bytes content) const;

  /// What clone(2) needs. After it, in the child, enter(): only what signal handlers may call. -1,
  /// or the step that failed, with errno.
  static int clone_flags();
  int enter() const noexcept;
  std::string name_of_step(int step) const;

 private:
  struct Step {
    enum class Kind { write, bind, protect, cover, file_system, loopback, change_root } kind;
    std::string source;  // or what is written
    std::string target;
    std::string name;  // for an error
    bool needed = true;
  };
  static bool take(const Step& step) noexcept;
  bool is_shown(const fs::path& path) const;
  bool make_place(const fs::path& path, bool directory) const;
  std::string inside(const fs::path& path) const;

  fs::path root_;
  Fd root_fd_;  // what was made, whatever has its name later
  std::vector<Step> steps_;
  std::vector<fs::path> shown_;  // directories
  std::vector<fs::path> hidden_;
  std::vector<fs::path> writable_;
};

}  // namespace pgcairn
