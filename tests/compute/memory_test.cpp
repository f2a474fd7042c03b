#include "compute/backend_fixture.h"

namespace longhaul {
namespace {

class MemoryTest : public BackendTest {};

TEST_P(MemoryTest, BlocksAreAlignedAndHoldWhatIsCopied) {
  const Stream stream = backend_.device->compute_stream();
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{1000}, (std::size_t{5} << 20) + 3}) {
    void* const a = backend_.device->allocate(bytes);
    void* const b = backend_.device->allocate(bytes);
    ASSERT_NE(a, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % Arena::kAlignment, 0U);
    std::vector<unsigned char> data(bytes);
    for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<unsigned char>(i * 31 + i / 256);
    std::vector<unsigned char> back(bytes, 0xEE);
    backend_.device->copy_to_device(a, data.data(), bytes, stream);
    backend_.device->copy_on_device(b, a, bytes, stream);
    backend_.device->fill_zero(a, bytes, stream);
    backend_.device->copy_to_host(back.data(), b, bytes, stream);
    backend_.device->synchronize(stream);
    EXPECT_EQ(back, data);
    backend_.device->copy_to_host(back.data(), a, bytes, stream);
    backend_.device->synchronize(stream);
    EXPECT_EQ(back, std::vector<unsigned char>(bytes, 0));
    backend_.device->deallocate(a);
    backend_.device->deallocate(b);
  }
}

TEST_P(MemoryTest, HostMemoryTakesWhatTheDeviceHas) {
  const Stream stream = backend_.device->compute_stream();
  // The last is large enough for several threads.
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{5000}, (std::size_t{520} << 20) + 3}) {
    const PinnedBuffer host(*backend_.device, bytes);
    const DeviceBuffer device(*backend_.device, bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(host.data()) % Arena::kAlignment, 0U);
    std::fill_n(host.data(), bytes, std::byte{0x5A});
    backend_.device->copy_to_device(device.data(), host.data(), bytes, stream);
    backend_.device->synchronize(stream);
    std::fill_n(host.data(), bytes, std::byte{0});
    backend_.device->copy_to_host(host.data(), device.data(), bytes, stream);
    backend_.device->synchronize(stream);
    EXPECT_EQ(std::count(host.data(), host.data() + bytes, std::byte{0x5A}),
              static_cast<std::ptrdiff_t>(bytes));
  }
}

TEST_P(MemoryTest, TooMuchHostMemoryIsAnError) {
  const std::size_t bytes = std::size_t{1} << 60;
  try {
    const PinnedBuffer host(*backend_.device, bytes);
    FAIL() << bytes << " bytes were given";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find(std::to_string(bytes) + " bytes"), std::string::npos)
        << error.what();
  }
}

TEST_P(MemoryTest, TooMuchIsAnErrorThatSaysHowMuch) {
  // More than any machine has, and just more than this one has.
  for (const std::size_t bytes : {std::size_t{1} << 60, backend_.device->memory_free() * 2}) {
    try {
      void* const data = backend_.device->allocate(bytes);
      backend_.device->deallocate(data);
      FAIL() << bytes << " bytes were given";
    } catch (const UserError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(std::to_string(bytes) + " bytes"), std::string::npos) << text;
      EXPECT_NE(text.find("free"), std::string::npos) << text;
      EXPECT_NE(text.find("smaller"), std::string::npos) << text;  // what to do
    }
  }
}

TEST_P(MemoryTest, UseIsCounted) {
  const std::size_t before = backend_.device->memory_used();
  EXPECT_GT(before, std::size_t{0});
  EXPECT_GT(backend_.device->memory_free(), std::size_t{0});
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const DeviceBuffer buffer(*backend_.device, kBytes);
  backend_.device->fill_zero(buffer.data(), kBytes, backend_.device->compute_stream());
  backend_.device->synchronize(backend_.device->compute_stream());
  EXPECT_GE(backend_.device->memory_used(), before + kBytes * 9 / 10);
}

TEST_P(MemoryTest, EventsOrderStreams) {
  Device& device = *backend_.device;
  const Stream compute = device.compute_stream();
  const Stream copies = device.create_stream("copies");
  EXPECT_NE(compute.handle, nullptr);
  EXPECT_NE(copies.handle, nullptr);
  EXPECT_NE(copies.handle, device.create_stream("gathers").handle);
  // There and back, over two streams: without the waits a GPU would copy too early.
  constexpr std::size_t kBytes = std::size_t{16} << 20;
  const PinnedBuffer host(device, kBytes);
  const DeviceBuffer first(device, kBytes);
  const DeviceBuffer second(device, kBytes);
  std::fill_n(host.data(), kBytes, std::byte{0x5A});
  device.fill_zero(second.data(), kBytes, compute);
  const Event begun = device.create_event();
  const Event uploaded = device.create_event();
  const Event moved = device.create_event();
  device.synchronize(moved);  // never recorded: at once
  device.record(begun, copies);
  device.copy_to_device(first.data(), host.data(), kBytes, copies);
  device.record(uploaded, copies);
  device.wait(compute, uploaded);
  device.copy_on_device(second.data(), first.data(), kBytes, compute);
  device.record(moved, compute);
  device.synchronize(uploaded);
  std::fill_n(host.data(), kBytes, std::byte{0});
  device.wait(copies, moved);
  device.copy_to_host(host.data(), second.data(), kBytes, copies);
  device.synchronize(copies);
  EXPECT_EQ(std::count(host.data(), host.data() + kBytes, std::byte{0x5A}),
            static_cast<std::ptrdiff_t>(kBytes));
  EXPECT_GT(device.seconds_between(begun, uploaded), 0.0);
  EXPECT_GT(device.seconds_between(begun, moved), device.seconds_between(begun, uploaded));
}

LONGHAUL_BACKEND_TESTS(MemoryTest);

}  // namespace
}  // namespace longhaul
