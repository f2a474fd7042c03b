# Makes ${LONGHAUL_UNPACKED_TEST_DATA}: the goldens, and model directories as users have them.
set(LONGHAUL_UNPACKED_TEST_DATA ${CMAKE_CURRENT_BINARY_DIR}/unpacked)

file(GLOB golden_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/golden/*.gz)
file(MAKE_DIRECTORY ${LONGHAUL_UNPACKED_TEST_DATA}/golden)
foreach(file ${golden_files})
  cmake_path(GET file STEM LAST_ONLY name)
  longhaul_unpack(${file} ${LONGHAUL_UNPACKED_TEST_DATA}/golden/${name})
endforeach()

set(qwen3_tokenizer ${PROJECT_SOURCE_DIR}/mpi_launch/quickstart/tokenizer)
set(test_tokenizers ${CMAKE_CURRENT_SOURCE_DIR}/tokenizer)
foreach(model qwen2.5 qwen3 qwen3-first)
  file(MAKE_DIRECTORY ${LONGHAUL_UNPACKED_TEST_DATA}/${model})
endforeach()
longhaul_unpack(${test_tokenizers}/qwen2.5/tokenizer.json.gz ${LONGHAUL_UNPACKED_TEST_DATA}/qwen2.5/tokenizer.json)
longhaul_unpack(${qwen3_tokenizer}/tokenizer.json.gz ${LONGHAUL_UNPACKED_TEST_DATA}/qwen3/tokenizer.json)
file(CREATE_LINK ${LONGHAUL_UNPACKED_TEST_DATA}/qwen3/tokenizer.json
  ${LONGHAUL_UNPACKED_TEST_DATA}/qwen3-first/tokenizer.json SYMBOLIC)
file(COPY ${test_tokenizers}/qwen2.5/tokenizer_config.json DESTINATION ${LONGHAUL_UNPACKED_TEST_DATA}/qwen2.5)
file(COPY ${qwen3_tokenizer}/tokenizer_config.json DESTINATION ${LONGHAUL_UNPACKED_TEST_DATA}/qwen3)
file(COPY ${test_tokenizers}/qwen3-first/tokenizer_config.json DESTINATION ${LONGHAUL_UNPACKED_TEST_DATA}/qwen3-first)
