#pragma once

#include <libpq-fe.h>

namespace pgcairn::postgres {

// clang-format off
#define PGCAIRN_LIBPQ_FUNCTIONS(X)                                                                 \
  X(PQcancel) X(PQclear) X(PQconndefaults) X(PQconnectPoll) X(PQconnectStartParams)                \
  X(PQconnectionNeedsPassword) X(PQconnectionUsedPassword) X(PQconninfo) X(PQconninfoFree)         \
  X(PQconsumeInput) X(PQerrorMessage) X(PQfinish) X(PQflush) X(PQfreeCancel) X(PQgetCancel)        \
  X(PQgetResult) X(PQgetisnull) X(PQgetlength) X(PQgetvalue) X(PQhost) X(PQhostaddr) X(PQisBusy)   \
  X(PQnfields) X(PQntuples) X(PQport) X(PQresultErrorField) X(PQresultStatus)                      \
  X(PQsendQueryParams) X(PQserverVersion) X(PQsetNoticeProcessor) X(PQsetnonblocking) X(PQsocket)  \
  X(PQstatus) X(PQuser)
// clang-format on

/// The functions of libpq, which brings twenty libraries with it: loaded with the first connection.
struct LibPq {
#define PGCAIRN_MEMBER(name) decltype(&::name) name = nullptr;
  PGCAIRN_LIBPQ_FUNCTIONS(PGCAIRN_MEMBER)
#undef PGCAIRN_MEMBER
};

/// Loads libpq when it is first called; throws Error when that cannot be done.
const LibPq& pq();

}  // namespace pgcairn::postgres
