// A checker of small lock-free algorithms: runs the code itself under every interleaving of its atomic accesses, with
// every value that the C++ memory model lets a load return.
//
// The code under test takes its words from the policy ModelAtomics (see latency/atomics.h). Every access is a step; the
// threads are fibers, and a scheduler decides whose step is next. All decisions of a run are on a list; the next run
// repeats the list up to the last decision that has another answer, and takes that. When none has, all runs were made.
//
// Memory. Each word keeps the list of all values stored to it. A thread has a view: for every word, the oldest value
// that it may still read. A load may return any value that is not older. A release store carries the thread's view and
// its vector clock, and an acquire load takes them over. A read-modify-write reads the newest value and passes on what
// that one carried. Sequentially consistent accesses share a view of their own. Plain memory is checked with the vector
// clocks: two accesses, one of them a write, without an order between them end the check, whatever their values.
//
// Threads can sleep on a word (park, wake) and lock mutexes. If no thread can move and not all are at their end, that is
// an error: a wake-up was lost.
//
// Runs that differ only in the order of steps that have nothing to do with each other are made once (sleep sets;
// Godefroid 1996).
//
// It must be able to fail, so it also breaks what it is given: it lists every access that is stronger than relaxed by
// its line in the source, and check_orders() weakens each in turn and demands that an error is found.
//
// Limits: the fences of C++ are not modelled, and stores of one word are ordered as they are executed. A store does not
// overtake an earlier load of its own thread. A failing compare-and-exchange returns the newest value. A thread reads an
// old value at most `stale_reads` times in a run: without a bound, a loop could read the same old value for ever.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <source_location>
#include <string>
#include <vector>

#include "tests/check.h"

namespace interleavings {

inline constexpr std::size_t kMostThreads = 4;
inline constexpr std::size_t kMainThread = kMostThreads;
inline constexpr std::size_t kMostWords = 96;
inline constexpr std::size_t kStackBytes = 128 * 1024;

using Order = std::memory_order;
using View = std::array<std::uint16_t, kMostWords>;
using Clock = std::array<std::uint32_t, kMostThreads + 1>;

inline bool acquires(Order order) {
  return order == Order::acquire || order == Order::acq_rel || order == Order::seq_cst || order == Order::consume;
}
inline bool releases(Order order) {
  return order == Order::release || order == Order::acq_rel || order == Order::seq_cst;
}

template <typename Array>
void join(Array* into, const Array& other) {
  for (std::size_t i = 0; i < into->size(); ++i) (*into)[i] = std::max((*into)[i], other[i]);
}

// One small case: the threads' programs over state that they share, and what must hold when all are done.
struct Case {
  std::vector<std::function<void()>> threads;
  std::function<void()> afterwards;
};

struct Limits {
  std::uint32_t stale_reads = 2;
  std::size_t most_runs = 20'000'000;
  std::size_t most_steps = 2'000;
};

struct Outcome {
  std::string error;            // Empty if nothing is wrong.
  std::size_t runs = 0;         // Complete ones.
  std::size_t steps = 0;        // Of all runs.
  std::set<std::string> sites;  // Accesses stronger than relaxed.
};

class Explorer {
 public:
  static Explorer& current() { return *now_; }

  Outcome explore(const std::function<Case()>& make, Limits limits = {}, std::string weakened = {}) {
    limits_ = limits;
    weakened_ = std::move(weakened);
    outcome_ = {};
    decisions_.clear();
    now_ = this;
    do {
      run(make);
      CHECK(outcome_.runs <= limits_.most_runs);
    } while (outcome_.error.empty() && next_decisions());
    now_ = nullptr;
    return outcome_;
  }

  void fail(const std::string& what) {
    if (outcome_.error.empty()) outcome_.error = what;
  }

  // ---- words
  std::size_t new_word(std::uint64_t value) {
    const std::size_t word = words_.size();
    CHECK(word < kMostWords);
    tick();
    words_.push_back({{{value, {}, {}, epoch()}}, 0});
    return word;
  }

  std::uint64_t load(std::size_t word, Order order, const std::source_location& where) {
    order = weakened(order, where, "load");
    step({word, false, order == Order::seq_cst});
    Thread& me = running();
    auto& values = words_[word].values;
    std::size_t oldest = me.view[word];
    if (order == Order::seq_cst) oldest = std::max<std::size_t>(oldest, words_[word].seq_cst);
    const std::size_t newest = values.size() - 1;
    if (me.stale_left == 0) oldest = newest;
    const std::size_t index = newest - decide(newest - oldest + 1);
    if (index != newest) --me.stale_left;
    see(word, index, order);
    return values[index].value;
  }

  void store(std::size_t word, std::uint64_t value, Order order, const std::source_location& where) {
    order = weakened(order, where, "store");
    step({word, true, order == Order::seq_cst});
    append(word, value, order, {}, {});
  }

  // Applies f to the newest value; f returns whether to store the result.
  template <typename F>
  std::uint64_t modify(std::size_t word, Order order, Order failure, const std::source_location& where, F f) {
    order = weakened(order, where, "modify");
    step({word, true, order == Order::seq_cst});
    const std::size_t newest = words_[word].values.size() - 1;
    std::uint64_t value = words_[word].values[newest].value;
    const std::uint64_t before = value;
    const bool stores = f(&value);
    see(word, newest, stores ? order : failure);
    const Stored read = words_[word].values[newest];  // A copy: the list grows.
    if (stores) append(word, value, order, read.view, read.clock);
    return before;
  }

  // ---- plain memory
  struct PlainState {
    std::array<std::uint32_t, kMostThreads + 1> written{};
    std::array<std::uint32_t, kMostThreads + 1> read{};
  };
  void plain_write(PlainState* memory) {
    check_ordered(memory->written, "two writes of an item without an order between them");
    check_ordered(memory->read, "an item is written while another thread reads it");
    tick();
    memory->written = {};
    memory->written[self_] = running().clock[self_];
  }
  void plain_read(PlainState* memory) {
    check_ordered(memory->written, "an item is read while another thread writes it");
    tick();
    memory->read[self_] = running().clock[self_];
  }

  // ---- sleeping and locking
  void park(std::size_t word, std::uint64_t value) {
    step({word, true, false});
    if (self_ == kMainThread || words_[word].values.back().value != value) return;
    running().asleep_on = static_cast<int>(word);
    switch_to_scheduler();
  }
  void wake(std::size_t word, std::uint32_t count) {
    step({word, true, false});
    for (; count != 0; --count) {
      std::vector<std::size_t> asleep;
      for (std::size_t i = 0; i < threads_.size(); ++i) {
        if (threads_[i]->asleep_on == static_cast<int>(word)) asleep.push_back(i);
      }
      if (asleep.empty()) return;
      threads_[asleep[decide(asleep.size())]]->asleep_on = -1;
    }
  }
  void lock(std::size_t word) {
    step({word, true, false, true});
    see(word, words_[word].values.size() - 1, Order::acquire);
    append(word, 1, Order::relaxed, {}, {});
  }
  void unlock(std::size_t word) {
    step({word, true, false});
    append(word, 0, Order::release, {}, {});
  }

 private:
  struct Stored {
    std::uint64_t value;
    View view;
    Clock clock;
    std::pair<std::size_t, std::uint32_t> made;  // By whom and when: for a word's first value.
  };
  struct Word {
    std::vector<Stored> values;
    std::size_t seq_cst;
  };
  struct Step {
    std::size_t word = 0;
    bool writes = true;
    bool seq_cst = false;
    bool locks = false;
  };
  struct Thread {
    View view{};
    Clock clock{};
    std::uint32_t stale_left = 0;
    int asleep_on = -1;
    bool finished = false;
    Step next;
    std::function<void()> program;
    ucontext_t first;  // Where the fiber begins.
    jmp_buf context;
    bool begun = false;
  };
  struct Decision {
    std::size_t answer;
    std::size_t answers;
    std::vector<std::size_t> threads;  // Of a scheduling decision: the choices.
    std::vector<std::size_t> asleep;   // And those whose turn it is not, in the sense of sleep sets.
  };

  static bool independent(const Step& a, const Step& b) {
    return a.word != b.word || (!a.writes && !b.writes && !(a.seq_cst && b.seq_cst));
  }

  Thread& running() { return self_ == kMainThread ? main_ : *threads_[self_]; }
  std::pair<std::size_t, std::uint32_t> epoch() { return {self_, running().clock[self_]}; }
  void tick() { ++running().clock[self_]; }

  Order weakened(Order order, const std::source_location& where, const char* kind) {
    if (order == Order::relaxed) return order;
    const char* slash = std::strrchr(where.file_name(), '/');
    const std::string site =
        std::string(slash == nullptr ? where.file_name() : slash + 1) + ':' + std::to_string(where.line()) + ' ' + kind;
    outcome_.sites.insert(site);
    return site == weakened_ ? Order::relaxed : order;
  }

  void see(std::size_t word, std::size_t index, Order order) {
    Thread& me = running();
    const Stored& stored = words_[word].values[index];
    if (index == 0 && me.clock[stored.made.first] < stored.made.second) fail("a word is read before it is made");
    me.view[word] = std::max(me.view[word], static_cast<std::uint16_t>(index));
    if (order == Order::seq_cst) words_[word].seq_cst = std::max(words_[word].seq_cst, index);
    if (!acquires(order)) return;
    join(&me.view, stored.view);
    join(&me.clock, stored.clock);
  }

  // `view` and `clock` are what the value that was read carried, if this is a read-modify-write.
  void append(std::size_t word, std::uint64_t value, Order order, View view, Clock clock) {
    Thread& me = running();
    const std::size_t index = words_[word].values.size();
    if (index == 1) check_made(word);
    tick();
    me.view[word] = static_cast<std::uint16_t>(index);
    if (releases(order)) {
      join(&view, me.view);
      join(&clock, me.clock);
    }
    view[word] = static_cast<std::uint16_t>(index);
    words_[word].values.push_back({value, view, clock, epoch()});
    if (order == Order::seq_cst) words_[word].seq_cst = index;
  }

  void check_made(std::size_t word) {
    const auto& made = words_[word].values[0].made;
    if (running().clock[made.first] < made.second) fail("a word is written before it is made");
  }

  void check_ordered(const std::array<std::uint32_t, kMostThreads + 1>& others, const char* what) {
    for (std::size_t i = 0; i < others.size(); ++i) {
      if (others[i] > running().clock[i]) fail(what);
    }
  }

  // ---- decisions
  std::size_t decide(std::size_t answers) {
    if (answers == 1 || self_ == kMainThread) return 0;
    if (next_ < decisions_.size()) return decisions_[next_++].answer;
    decisions_.push_back({0, answers, {}, {}});
    ++next_;
    return 0;
  }

  bool next_decisions() {
    while (!decisions_.empty() && decisions_.back().answer + 1 == decisions_.back().answers) decisions_.pop_back();
    if (decisions_.empty()) return false;
    ++decisions_.back().answer;
    return true;
  }

  // ---- one run
  void run(const std::function<Case()>& make) {
    words_.clear();
    threads_.clear();
    next_ = 0;
    asleep_.clear();
    main_ = {};
    self_ = kMainThread;
    bool complete = false;
    {
      const Case now = make();
      start(now);
      complete = schedule();
      self_ = kMainThread;
      for (const auto& thread : threads_) {
        join(&main_.view, thread->view);
        join(&main_.clock, thread->clock);
      }
      if (complete && now.afterwards) now.afterwards();
    }
    if (complete) ++outcome_.runs;
  }

  void start(const Case& now) {
    CHECK(now.threads.size() <= kMostThreads);
    for (std::size_t i = 0; i < now.threads.size(); ++i) {
      if (stacks_.size() <= i) stacks_.push_back(std::make_unique<char[]>(kStackBytes));
      auto thread = std::make_unique<Thread>();
      thread->view = main_.view;
      thread->clock = main_.clock;
      thread->stale_left = limits_.stale_reads;
      thread->program = now.threads[i];
      CHECK(getcontext(&thread->first) == 0);
      thread->first.uc_stack.ss_sp = stacks_[i].get();
      thread->first.uc_stack.ss_size = kStackBytes;
      thread->first.uc_link = nullptr;
      makecontext(&thread->first, reinterpret_cast<void (*)()>(&Explorer::enter), 0);
      threads_.push_back(std::move(thread));
    }
    for (std::size_t i = 0; i < threads_.size(); ++i) resume(i);  // Up to the first access of each.
  }

  static void enter() {
    Explorer& explorer = current();
    Thread& me = explorer.running();
    me.program();
    me.finished = true;
    _longjmp(explorer.scheduler_, 1);
  }

  // A context is entered once, and from then on left and taken up by jumps, which make no system call.
  [[gnu::noinline]] void resume(std::size_t thread) {
    self_ = thread;
    if (_setjmp(scheduler_) != 0) return;
    Thread& next = *threads_[thread];
    if (next.begun) _longjmp(next.context, 1);
    next.begun = true;
    setcontext(&next.first);
  }

  [[gnu::noinline]] void switch_to_scheduler() {
    if (_setjmp(running().context) == 0) _longjmp(scheduler_, 1);
  }

  // Announces an access; returns when it is this thread's turn to make it.
  void step(const Step& next) {
    if (self_ == kMainThread) return;
    running().next = next;
    switch_to_scheduler();
  }

  bool can_move(const Thread& thread) const {
    if (thread.finished) return false;
    if (thread.next.locks && words_[thread.next.word].values.back().value != 0) return false;
    return thread.asleep_on < 0;
  }

  // Whether the run came to its end. It is given up after an error, and when every continuation was made in another
  // order of the same steps; the fibers are then left where they are.
  bool schedule() {
    for (std::size_t steps = 0; outcome_.error.empty(); ++steps) {
      std::vector<std::size_t> able;
      for (std::size_t i = 0; i < threads_.size(); ++i) {
        if (can_move(*threads_[i])) able.push_back(i);
      }
      if (able.empty()) {
        if (std::all_of(threads_.begin(), threads_.end(), [](const auto& t) { return t->finished; })) return true;
        fail("no thread can move: a wake-up was lost");
        return false;
      }
      if (steps > limits_.most_steps) fail("a run does not end");
      ++outcome_.steps;
      const std::size_t next = chosen(able);
      if (next == kMainThread) return false;
      resume(next);
    }
    return false;
  }

  // Whose step is next, or kMainThread if every one of them was taken in another order.
  std::size_t chosen(const std::vector<std::size_t>& able) {
    if (next_ == decisions_.size()) {
      std::vector<std::size_t> threads;
      for (std::size_t i : able) {
        if (std::find(asleep_.begin(), asleep_.end(), i) == asleep_.end()) threads.push_back(i);
      }
      if (threads.empty()) return kMainThread;
      decisions_.push_back({0, threads.size(), threads, asleep_});
    }
    const Decision& decision = decisions_[next_++];
    const std::size_t chosen = decision.threads[decision.answer];
    std::vector<std::size_t> still;
    const auto keep = [&](std::size_t i) {
      if (independent(threads_[i]->next, threads_[chosen]->next)) still.push_back(i);
    };
    for (std::size_t i : decision.asleep) keep(i);
    for (std::size_t i = 0; i < decision.answer; ++i) keep(decision.threads[i]);
    asleep_ = std::move(still);
    return chosen;
  }

  static inline Explorer* now_ = nullptr;

  Limits limits_;
  std::string weakened_;
  Outcome outcome_;
  std::vector<Decision> decisions_;
  std::size_t next_ = 0;
  std::vector<std::size_t> asleep_;
  std::vector<Word> words_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<std::unique_ptr<char[]>> stacks_;
  Thread main_;
  std::size_t self_ = kMainThread;
  jmp_buf scheduler_;
};

inline void require(bool condition, const char* what) {
  if (!condition) Explorer::current().fail(what);
}

// The policy: words, memory and locks of the model.
struct ModelAtomics {
  using Where = std::source_location;

  template <typename T>
  static std::uint64_t to_bits(T value) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
  }
  template <typename T>
  static T from_bits(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  template <typename T>
  class Atomic {
   public:
    Atomic(T value) : word_(Explorer::current().new_word(to_bits(value))) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(Order order, const Where& where = Where::current()) const {
      return from_bits<T>(Explorer::current().load(word_, order, where));
    }
    void store(T value, Order order, const Where& where = Where::current()) {
      Explorer::current().store(word_, to_bits(value), order, where);
    }
    T fetch_add(T more, Order order, const Where& where = Where::current()) {
      return from_bits<T>(Explorer::current().modify(word_, order, order, where, [more](std::uint64_t* bits) {
        *bits = to_bits(static_cast<T>(from_bits<T>(*bits) + more));
        return true;
      }));
    }
    T fetch_sub(T less, Order order, const Where& where = Where::current()) {
      return fetch_add(static_cast<T>(T{0} - less), order, where);
    }
    bool compare_exchange_strong(T& expected, T desired, Order success, Order failure,
                                 const Where& where = Where::current()) {
      bool stored = false;
      const std::uint64_t before = Explorer::current().modify(word_, success, failure, where, [&](std::uint64_t* bits) {
        stored = *bits == to_bits(expected);
        if (stored) *bits = to_bits(desired);
        return stored;
      });
      if (!stored) expected = from_bits<T>(before);
      return stored;
    }
    std::size_t word() const { return word_; }

   private:
    std::size_t word_;
  };

  template <typename T>
  class Plain {
   public:
    void set(T value) {
      Explorer::current().plain_write(&state_);
      value_ = value;
    }
    T get() const {
      Explorer::current().plain_read(&state_);
      return value_;
    }

   private:
    T value_{};
    mutable Explorer::PlainState state_;
  };

  class Mutex {
   public:
    void lock() { Explorer::current().lock(word_.word()); }
    void unlock() { Explorer::current().unlock(word_.word()); }

   private:
    Atomic<std::uint64_t> word_{0};
  };

  static void park(const Atomic<std::uint32_t>& word, std::uint32_t value, std::int64_t) {
    Explorer::current().park(word.word(), to_bits(value));
  }
  static void wake(const Atomic<std::uint32_t>& word, std::uint32_t threads) {
    Explorer::current().wake(word.word(), threads);
  }
};

// Whether the fibers work here: sanitizers take a jump to another stack for an error. The plain build explores.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kCanExplore = false;
#else
inline constexpr bool kCanExplore = true;
#endif

// Explores a case and demands that nothing is wrong.
inline Outcome check_all(const char* name, const std::function<Case()>& make, Limits limits = {}) {
  const Outcome outcome = Explorer().explore(make, limits);
  std::printf("%s: %zu runs, %zu steps: %s\n", name, outcome.runs, outcome.steps,
              outcome.error.empty() ? "nothing wrong" : outcome.error.c_str());
  std::fflush(stdout);
  CHECK(outcome.error.empty());
  CHECK(outcome.runs > 0);
  return outcome;
}

// Explores a case that is broken on purpose and demands that it is noticed.
inline void check_notices(const char* name, const std::function<Case()>& make, Limits limits = {}) {
  const Outcome outcome = Explorer().explore(make, limits);
  std::printf("%s: %s\n", name, outcome.error.empty() ? "NOT NOTICED" : outcome.error.c_str());
  CHECK(!outcome.error.empty());
}

// Weakens every access in this header that is stronger than relaxed, one by one, and demands that one of the cases
// notices.
inline void check_orders(const std::string& header, const std::vector<std::function<Case()>>& cases,
                         Limits limits = {}) {
  std::set<std::string> sites;
  for (const auto& make : cases) {
    for (const std::string& site : check_all("  as it is", make, limits).sites) {
      if (site.starts_with(header + ':')) sites.insert(site);
    }
  }
  CHECK(!sites.empty());
  int missed = 0;
  for (const std::string& site : sites) {
    std::string error;
    for (std::size_t i = 0; i < cases.size() && error.empty(); ++i) {
      error = Explorer().explore(cases[i], limits, site).error;
    }
    std::printf("  %s relaxed: %s\n", site.c_str(), error.empty() ? "NOT NOTICED" : error.c_str());
    std::fflush(stdout);
    missed += error.empty() ? 1 : 0;
  }
  CHECK(missed == 0);
}

}  // namespace interleavings
