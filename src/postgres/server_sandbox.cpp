#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/server_sandbox.hpp>

#include <cstdlib>

namespace pgcairn::postgres {

namespace {

// Where programs, libraries and what comes with them are (Filesystem Hierarchy Standard), and
// stores of packages that are elsewhere.
constexpr const char* kPrograms[] = {"/usr",   "/bin",    "/sbin", "/lib",       "/lib32",
                                     "/lib64", "/libx32", "/opt",  "/nix/store", "/gnu/store"};
// What libraries read: no passwords, no keys, nothing of a cluster.
constexpr const char* kConfiguration[] = {"/etc/passwd",          "/etc/group",
                                          "/etc/nsswitch.conf",   "/etc/hosts",
                                          "/etc/protocols",       "/etc/services",
                                          "/etc/localtime",       "/etc/timezone",
                                          "/etc/locale.alias",    "/etc/ld.so.cache",
                                          "/etc/ld.so.conf",      "/etc/ld.so.conf.d",
                                          "/etc/alternatives",    "/etc/ssl/openssl.cnf",
                                          "/etc/ssl/certs",       "/etc/pki/tls/openssl.cnf",
                                          "/etc/crypto-policies", "/etc/perl",
                                          "/var/cache/postgresql"};  // dictionaries, on Debian
constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                    "/dev/urandom"};

}  // namespace

fs::path installation_of(const fs::path& programs) {
  // /x/usr/lib/postgresql/15/bin finds /x/usr/share and /x/usr/lib (make_relative_path, path.c).
  fs::path above;
  for (const fs::path& part : programs) {
    if (part == "lib" || part == "lib64") return above;
    above /= part;
  }
  return programs.parent_path();
}

std::unique_ptr<Sandbox> sandbox_for_server(const fs::path& root, const fs::path& programs,
                                            const fs::path& own, std::span<const fs::path> hidden) {
  auto sandbox = std::make_unique<Sandbox>(root);
  for (const char* const path : kPrograms) sandbox->show(path);
  for (const char* const path : kConfiguration) sandbox->show(path);
  for (const char* const path : kDevices) sandbox->show(path);
  // A program finds its files by the name that it was started with, and by the one behind links.
  std::error_code unknown;
  const fs::path real = fs::canonical(programs, unknown);
  for (const fs::path& place : {programs, unknown ? programs : real}) {
    const fs::path installation = installation_of(place);
    sandbox->show(installation.has_relative_path() ? installation : place);
  }
  const char* const libraries = std::getenv("LD_LIBRARY_PATH");
  for (const std::string& place : split(libraries == nullptr ? "" : libraries, ':'))
    if (place.starts_with('/') && place != "/") sandbox->show(place);
  sandbox->show(own, Sandbox::Access::write);
  for (const fs::path& path : hidden) sandbox->hide(path);
  sandbox->seal();
  return sandbox;
}

}  // namespace pgcairn::postgres
