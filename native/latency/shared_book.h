// An order book in named shared memory: made or taken over by its one writer, attached to by its readers.
//
// Promises:
// - create() gives a book that this process may write: a new one, or, if the name holds a book of the same symbol and
//   depth that nobody writes any more, that one, emptied. Its readers stay attached and see it go on; the version
//   keeps counting. Prices of before a crash are shown to nobody as if they were of now.
// - create() never destroys what it does not know to be its own: a book of another symbol or depth, of another layout,
//   or memory that is no book at all, is refused and left as it is.
// - attach() gives a book to read. It waits a moment for a writer that is just making it, and refuses everything
//   that is not a whole book.
// - Two writers exclude each other by the claim on the memory (shared_memory.h).
// - The memory is guarded (mapping_guard.h): if its file is cut short, by a process that should not, is_cut() turns true
//   and no access is a fault. What was read or written before a look at it means nothing then.
//
// Errors: SharedBookError with its reason, or what SharedMemory throws.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "latency/order_book.h"
#include "latency/shared_memory.h"

namespace latencykit {

class SharedBookError : public std::runtime_error {
 public:
  enum class Reason { kHasWriter, kOtherBook, kForeign, kOtherLayout, kDamaged, kUnstable };

  SharedBookError(Reason reason, const std::string& what) : std::runtime_error(what), reason_(reason) {}

  Reason reason() const noexcept { return reason_; }

 private:
  Reason reason_;
};

namespace shared_book {

using Reason = SharedBookError::Reason;

inline BookHeader* header_of(const SharedMemory& memory) { return static_cast<BookHeader*>(memory.data()); }

inline void refuse_if_unusable(book_block::Fault fault) {
  switch (fault) {
    case book_block::Fault::kNone:
      return;
    case book_block::Fault::kForeign:
      throw SharedBookError(Reason::kForeign, "holds something else than an order book");
    case book_block::Fault::kOtherLayout:
      throw SharedBookError(Reason::kOtherLayout, "holds an order book of another version of this package");
    case book_block::Fault::kDamaged:
      throw SharedBookError(Reason::kDamaged, "holds an order book that is damaged or cut short");
  }
}

// Maps what is there and checks it. Nothing is mapped beyond the size that the file has.
inline void map_checked(SharedMemory& memory) {
  const std::size_t bytes = memory.size();
  if (!memory.is_memory() || bytes < sizeof(BookHeader)) refuse_if_unusable(book_block::Fault::kForeign);
  memory.map_guarded(bytes);
  refuse_if_unusable(book_block::check(memory.data(), bytes));
}

// To be called after the last look at what is mapped.
inline void refuse_if_cut(const SharedMemory& memory) {
  if (memory.is_cut()) refuse_if_unusable(book_block::Fault::kDamaged);
}

inline void format_new(SharedMemory& memory, std::string_view symbol, std::size_t depth) {
  try {
    memory.resize(book_block::bytes_for(depth));
    memory.map_guarded(book_block::bytes_for(depth));
  } catch (...) {
    memory.remove_name();  // A name without a book would be in the way.
    throw;
  }
  book_block::format(memory.data(), depth, symbol);
  refuse_if_cut(memory);
}

inline std::string described(const BookHeader* header) {
  return "holds the book of '" + std::string(book_block::symbol_of(header)) + "' with depth " +
         std::to_string(header->depth);
}

inline std::shared_ptr<SharedMemory> create(const std::string& name, std::string_view symbol, std::size_t depth) {
  constexpr int kTries = 100;  // The name may be removed between opening and claiming; not for ever.
  for (int i = 0; i < kTries; ++i) {
    auto memory = std::make_shared<SharedMemory>(name, SharedMemory::Open::kCreateIfMissing);
    if (!memory->is_memory()) refuse_if_unusable(book_block::Fault::kForeign);
    const SharedMemory::Claim claim = memory->try_claim();
    if (claim == SharedMemory::Claim::kTaken) throw SharedBookError(Reason::kHasWriter, "has a writer already");
    if (claim == SharedMemory::Claim::kNameGone || !memory->has_name()) continue;
    if (memory->size() == 0) {
      format_new(*memory, symbol, depth);
      return memory;
    }
    map_checked(*memory);
    const BookHeader* header = header_of(*memory);
    if (header->depth != depth || book_block::symbol_of(header) != symbol) {
      const std::string other = described(header);
      refuse_if_cut(*memory);
      throw SharedBookError(Reason::kOtherBook, other);
    }
    refuse_if_cut(*memory);
    return memory;
  }
  throw SharedBookError(Reason::kUnstable, "is removed again and again while it is being made");
}

inline std::shared_ptr<SharedMemory> attach(const std::string& name) {
  constexpr auto kPatience = std::chrono::milliseconds(100);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    auto memory = std::make_shared<SharedMemory>(name, SharedMemory::Open::kReadOnly);
    try {
      map_checked(*memory);
      refuse_if_cut(*memory);
      return memory;
    } catch (const SharedBookError& error) {
      // Its writer may be between making the name and making the book.
      const bool is_being_made =
          error.reason() == Reason::kForeign && memory->is_memory() && (memory->size() == 0 || memory->is_claimed());
      if (!is_being_made || std::chrono::steady_clock::now() > deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace shared_book
}  // namespace latencykit
