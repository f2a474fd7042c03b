// SwiGLU, the embedding, biases and sums of activations.
#include <algorithm>

#include "bench/kernel_suite.h"
#include "comm/chunk_order.h"

namespace longhaul::bench {
namespace {

void swiglu(KernelSuite& suite) {
  struct Set {
    Tensor gate_up, act, d_gate_up;
  };
  Ops& ops = *suite.backend.ops;
  const std::int64_t rows = suite.tokens.cp_local;
  const std::int64_t ffn = suite.sizes.ffn;
  suite.measure(
      "swiglu_forward", shape_text(rows, ffn),
      [&] {
        Set s;
        s.gate_up = suite.activation(rows, 2 * ffn);
        s.act = suite.data().uninitialised(suite.dtype, rows, ffn);
        return s;
      },
      [](const Set& s) {
        return moved({s.gate_up.view, s.act.view});
      },
      [&](const Set& s) { ops.swiglu_forward(s.gate_up.view, s.act.view); });
  suite.measure(
      "swiglu_backward", shape_text(rows, ffn),
      [&] {
        Set s;
        s.gate_up = suite.activation(rows, 2 * ffn);
        s.act = suite.activation(rows, ffn);  // its gradient, overwritten with its value
        s.d_gate_up = suite.data().uninitialised(suite.dtype, rows, 2 * ffn);
        return s;
      },
      [](const Set& s) {
        return moved({s.gate_up.view, s.act.view, s.act.view, s.d_gate_up.view});
      },
      [&](const Set& s) { ops.swiglu_backward(s.act.view, s.gate_up.view, s.d_gate_up.view); });
}

void embedding(KernelSuite& suite) {
  struct Set {
    Tensor ids, rows;
    std::int64_t found = 0;     // ids in this rank's part of the vocabulary
    std::int64_t distinct = 0;  // of those
  };
  Ops& ops = *suite.backend.ops;
  const LocalSizes& sizes = suite.sizes;
  const std::int64_t tokens = suite.tokens.cp_local;
  const auto vocabulary = static_cast<std::int64_t>(sizes.vocab_rows) * sizes.tp;
  const auto make = [&] {
    Set s;
    std::vector<std::int32_t> ids = suite.data().random_integers(tokens, vocabulary);
    s.ids = suite.data().integers(ids);
    s.rows = suite.activation(tokens, sizes.hidden);
    std::erase_if(ids, [&](std::int32_t id) {
      return id < sizes.vocab_begin || id >= sizes.vocab_begin + sizes.vocab_rows;
    });
    s.found = static_cast<std::int64_t>(ids.size());
    std::sort(ids.begin(), ids.end());
    s.distinct = std::unique(ids.begin(), ids.end()) - ids.begin();
    return s;
  };
  const std::string shape = shape_text(tokens, sizes.hidden);
  const auto width = static_cast<std::int64_t>(size_of(suite.dtype));
  if (suite.wanted("embedding_forward")) {
    const Tensor table = suite.activation(sizes.vocab_rows, sizes.hidden);
    suite.measure(
        "embedding_forward", shape, make,
        [&](const Set& s) {  // every row that is looked up counts
          return moved({s.ids.view, s.rows.view}) + s.found * sizes.hidden * width;
        },
        [&](const Set& s) {
          ops.embedding_forward(s.ids.as<std::int32_t>(), table.view, sizes.vocab_begin,
                                s.rows.view);
        });
  }
  if (!suite.wanted("embedding_backward")) return;
  const Tensor d_table = suite.floats(sizes.vocab_rows, sizes.hidden);
  suite.measure(
      "embedding_backward", shape, make,
      [&](const Set& s) {  // rows of the table are read and written once, however often they occur
        return s.ids.bytes() + sizes.hidden * (s.found * width + s.distinct * 8);
      },
      [&](const Set& s) {
        ops.embedding_backward(s.ids.as<std::int32_t>(), s.rows.view, sizes.vocab_begin,
                               d_table.view);
      });
}

void sums(KernelSuite& suite) {
  struct Set {
    Tensor x, y;
  };
  Ops& ops = *suite.backend.ops;
  const LocalSizes& sizes = suite.sizes;
  suite.measure(
      "add", shape_text(suite.tokens.sp, sizes.hidden),
      [&] {
        return Set{suite.activation(suite.tokens.sp, sizes.hidden),
                   suite.activation(suite.tokens.sp, sizes.hidden)};
      },
      [](const Set& s) {
        return moved({s.x.view, s.y.view, s.y.view});
      },
      [&](const Set& s) { ops.add(s.x.view, s.y.view); });
  suite.measure(
      "bias_backward", shape_text(suite.tokens.cp_local, sizes.q_cols),
      [&] {
        return Set{suite.activation(suite.tokens.cp_local, sizes.q_cols),
                   suite.floats(1, sizes.q_cols)};
      },
      [](const Set& s) {
        return moved({s.x.view, s.y.view, s.y.view});
      },
      [&](const Set& s) { ops.bias_backward(s.x.view, s.y.as<float>()); });
}

/// As gathering k and v over two context-parallel ranks needs it.
void reorder(KernelSuite& suite) {
  constexpr int kContextParallel = 2;
  struct Set {
    Tensor src, dst;
  };
  const std::vector<std::int32_t> order = chunk_order(kContextParallel);
  const auto chunks = static_cast<std::int64_t>(order.size());
  const std::int64_t rows = std::max<std::int64_t>(1, suite.tokens.cp_local / chunks) * chunks;
  const std::int64_t cols = 2 * suite.sizes.kv_cols;
  suite.measure(
      "reorder_chunks", shape_text(rows, cols),
      [&] {
        return Set{suite.activation(rows, cols),
                   suite.data().uninitialised(suite.dtype, rows, cols)};
      },
      [](const Set& s) {
        return moved({s.src.view, s.dst.view});
      },
      [&](const Set& s) { suite.backend.ops->reorder_chunks(s.src.view, order, s.dst.view); });
}

}  // namespace

void bench_mlp(KernelSuite& suite) {
  swiglu(suite);
  embedding(suite);
  sums(suite);
  reorder(suite);
}

}  // namespace longhaul::bench
