#include "postgres/config_includes.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn::postgres;
using Form = Inclusion::Form;

namespace {

struct Case {
  const char* text;
  std::vector<Inclusion> found;
};

}  // namespace

TEST_CASE("what postgresql.conf includes") {
  const std::vector<Case> cases = {
      {"", {}},
      {"port = 5432\n", {}},
      {"include 'one.conf'\n", {{"one.conf", Form::required}}},
      {"include = 'one.conf'", {{"one.conf", Form::required}}},
      {"  INCLUDE='one.conf'  # why\r\n", {{"one.conf", Form::required}}},
      {"include one.conf# why\n", {{"one.conf", Form::required}}},
      {"include_if_exists '/etc/a b.conf'\n", {{"/etc/a b.conf", Form::if_exists}}},
      {"include_dir 'conf.d'\n", {{"conf.d", Form::directory}}},
      {"include 'it''s \\'here\\' \\101\\\\'", {{"it's 'here' A\\", Form::required}}},
      {"# include 'one.conf'\n#include 'two.conf'", {}},
      {"included 'one.conf'\nlog_line_prefix = 'include ''x'''\n", {}},
      {"include ''\ninclude\n", {}},
      {"include 'a'\nport = 1\ninclude_dir 'b'\n", {{"a", Form::required}, {"b", Form::directory}}},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    CHECK(inclusions(ConfigSyntax::settings, one.text) == one.found);
  }
}

TEST_CASE("what pg_hba.conf and pg_ident.conf include") {
  const std::vector<Case> cases = {
      {"local all all trust\n", {}},
      {"local all @admins trust\n", {{"admins", Form::names}}},
      {"local @dbs,x,@more @\"a b\" trust # @no\n",
       {{"dbs", Form::names}, {"more", Form::names}, {"a b", Form::names}}},
      {"local all \"@quoted\" trust\nlocal all @ trust\n", {}},
      {"# local all @admins trust\n", {}},
      {"local all \\\n  @admins trust\n", {{"admins", Form::names}}},
      {"include one.conf\n", {{"one.conf", Form::required}}},
      {"include_if_exists \"a \"\"b\"\".conf\"\n", {{"a \"b\".conf", Form::if_exists}}},
      {"include_dir hba.d # why\n", {{"hba.d", Form::directory}}},
      {"\"include\" one.conf\n", {}},
      {"local include all trust\n", {}},
      {"@nested\nplain\n", {{"nested", Form::names}}},
      {"local all @last", {{"last", Form::names}}},
  };
  for (const Case& one : cases) {
    INFO(one.text);
    CHECK(inclusions(ConfigSyntax::rules, one.text) == one.found);
  }
}
