# The tests that scripts/sanitize --short builds with each sanitizer, in every run of scripts/test: small enough for that.
# Only the code that they need is compiled, not whole rooms.
file(GLOB short_code CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/src/common/*.cpp
  ${PROJECT_SOURCE_DIR}/src/compress/*.cpp
  ${PROJECT_SOURCE_DIR}/src/crypto/*.cpp
  ${PROJECT_SOURCE_DIR}/src/repo/*.cpp
  ${PROJECT_SOURCE_DIR}/src/storage/*.cpp
  ${PROJECT_SOURCE_DIR}/src/storage/posix/*.cpp)
list(APPEND short_code ${PROJECT_SOURCE_DIR}/src/engine/backup/pack_writer.cpp)

# What threads share.
set(short_tests
  unit/common/parallel_test.cpp
  unit/common/queue_test.cpp
  unit/repo/lease_test.cpp
  unit/storage/answer_cache_test.cpp
  unit/storage/throttle_test.cpp
  unit/engine/backup/pack_writer_test.cpp)
# What reads bytes that may be damaged or hostile.
if(NOT PGCAIRN_SANITIZE STREQUAL thread)
  list(APPEND short_tests
    unit/common/bytes_test.cpp
    unit/common/json_test.cpp
    unit/common/text_test.cpp
    unit/common/wal_test.cpp
    unit/compress/codec_test.cpp
    unit/repo/backup_marker_test.cpp
    unit/repo/document_test.cpp
    unit/repo/frame_test.cpp
    unit/repo/manifest_test.cpp
    unit/repo/pack_table_test.cpp
    unit/repo/pack_test.cpp
    unit/repo/records_test.cpp)
endif()

# A property of a source is only known in the directory that sets it.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/common/version.cpp PROPERTIES COMPILE_DEFINITIONS PROGRAM_VERSION="${PROJECT_VERSION}")
add_executable(pgcairn-short-tests EXCLUDE_FROM_ALL support/main.cpp support/repository.cpp ${short_tests} ${short_code})
target_include_directories(pgcairn-short-tests PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src
  ${PROJECT_SOURCE_DIR}/src/storage ${PROJECT_SOURCE_DIR}/src/engine ${OPENSSL_INCLUDE_DIR})
target_link_libraries(pgcairn-short-tests PRIVATE pgcairn-options fmt::fmt simdjson::simdjson PkgConfig::XXHASH PkgConfig::ZSTD PkgConfig::LZ4
  ZLIB::ZLIB Catch2::Catch2 ${CMAKE_DL_LIBS})
# Not in compile_commands.json: scripts/lint compiles each source once, as its room does.
set_target_properties(pgcairn-short-tests PROPERTIES EXPORT_COMPILE_COMMANDS OFF)
