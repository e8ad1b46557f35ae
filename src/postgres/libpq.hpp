#pragma once

#include <libpq-fe.h>

namespace pgcairn::postgres {

// clang-format off
#define PGCAIRN_LIBPQ_FUNCTIONS(X)                                                                 \
  X(PQcancel) X(PQclear) X(PQconndefaults) X(PQconnectdbParams) X(PQconnectionNeedsPassword)       \
  X(PQconnectionUsedPassword) X(PQconninfoFree) X(PQconsumeInput) X(PQerrorMessage) X(PQfinish)    \
  X(PQflush) X(PQfreeCancel) X(PQgetCancel) X(PQgetResult) X(PQgetisnull) X(PQgetlength)           \
  X(PQgetvalue) X(PQisBusy) X(PQnfields) X(PQntuples) X(PQresultErrorField) X(PQresultStatus)      \
  X(PQsendQueryParams) X(PQserverVersion) X(PQsetNoticeProcessor) X(PQsetnonblocking) X(PQsocket)  \
  X(PQstatus)
// clang-format on

/// The functions of libpq. It brings twenty libraries with it, whose loading takes as long as all
/// the rest of a start: archive-push and archive-get start for every WAL segment and connect to
/// nothing.
struct LibPq {
#define PGCAIRN_MEMBER(name) decltype(&::name) name = nullptr;
  PGCAIRN_LIBPQ_FUNCTIONS(PGCAIRN_MEMBER)
#undef PGCAIRN_MEMBER
};

/// Loads libpq when it is first called; throws Error when that cannot be done.
const LibPq& pq();

}  // namespace pgcairn::postgres
