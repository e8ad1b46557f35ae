#include <pgcairn/command/run.hpp>

#include <string>
#include <vector>

int main(int argc, char** argv) {
  return pgcairn::command::run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
