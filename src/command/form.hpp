#pragma once

namespace pgcairn::command {

/// Of results and of the log.
enum class Form { text, json, nagios, prometheus };

}  // namespace pgcairn::command
