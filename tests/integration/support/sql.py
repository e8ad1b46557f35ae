"""SQL by libpq in this process: starting a client for each of many thousand statements would be a good part of all the tests' work."""
import ctypes
import os
import select
import time

# No setting of whoever started the tests reaches libpq.
for _name in [name for name in os.environ if name.startswith("PG") and not name.startswith("PGCAIRN")]:
    del os.environ[_name]

_pq = ctypes.CDLL("libpq.so.5")
_TEXTS, _POINTER, _TEXT, _INT = ctypes.POINTER(ctypes.c_char_p), ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
for _name, _result, *_arguments in (
        ("PQconnectdbParams", _POINTER, _TEXTS, _TEXTS, _INT), ("PQstatus", _INT, _POINTER), ("PQerrorMessage", _TEXT, _POINTER),
        ("PQsocket", _INT, _POINTER), ("PQsendQuery", _INT, _POINTER, _TEXT), ("PQconsumeInput", _INT, _POINTER), ("PQisBusy", _INT, _POINTER),
        ("PQgetResult", _POINTER, _POINTER), ("PQresultStatus", _INT, _POINTER), ("PQresultErrorMessage", _TEXT, _POINTER),
        ("PQntuples", _INT, _POINTER), ("PQnfields", _INT, _POINTER), ("PQgetvalue", _TEXT, _POINTER, _INT, _INT),
        ("PQclear", None, _POINTER), ("PQfinish", None, _POINTER)):
    getattr(_pq, _name).restype, getattr(_pq, _name).argtypes = _result, _arguments

COMMAND_OK, TUPLES_OK, EMPTY_QUERY = 1, 2, 0


def rows(statements, timeout_s=300, **connection):
    """All rows of statements, each sent by itself in a session for all of them, as lists of strings: NULL is an empty one, and a row
    of nothing but that is an empty list."""
    words = {"client_encoding": "UTF8", "application_name": "tests", "connect_timeout": timeout_s, **connection}
    keys, values = ((_TEXT * (len(words) + 1))(*(str(word).encode() for word in some), None) for some in (words, words.values()))
    session = _pq.PQconnectdbParams(keys, values, 0)
    try:
        if _pq.PQstatus(session) != 0:
            raise AssertionError(_pq.PQerrorMessage(session).decode(errors="replace"))
        return [row for statement in statements for row in _answer(session, statement, time.monotonic() + timeout_s)]
    finally:
        _pq.PQfinish(session)


def _answer(session, statement, deadline):
    found, error = [], None
    if not _pq.PQsendQuery(session, statement.encode()):
        raise AssertionError(f"{statement}\n{_pq.PQerrorMessage(session).decode(errors='replace')}")
    while True:
        while _pq.PQisBusy(session):
            ready, _, _ = select.select([_pq.PQsocket(session)], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"no answer to {statement}"
            if not _pq.PQconsumeInput(session):
                break  # the session has ended; PQgetResult says so
        result = _pq.PQgetResult(session)
        if not result:
            break
        status = _pq.PQresultStatus(result)
        if status == TUPLES_OK:
            columns = range(_pq.PQnfields(result))
            for number in range(_pq.PQntuples(result)):
                row = [_pq.PQgetvalue(result, number, column).decode() for column in columns]
                found.append([] if row == [""] else row)
        elif status not in (COMMAND_OK, EMPTY_QUERY):
            error = error or _pq.PQresultErrorMessage(result).decode(errors="replace")
        _pq.PQclear(result)
    if error:
        raise AssertionError(f"{statement}\n{error}")
    return found
