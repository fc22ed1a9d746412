// A checker of small lock-free algorithms: runs the code itself under every interleaving and every reordering that
// the C++ memory model allows it.
//
// The code under test takes its words from a policy; ModelMemory is that policy. Each access is a step. A thread's
// program is run from its beginning with the answers that its accesses got so far, and stops with an exception at the
// first access that has none: so a thread's state is the list of its answers, and any state can be gone back to. The
// explorer tries every thread's next step with every answer that it may get, from every state it has not seen before.
//
// The memory is that of views (Kang and others, "A promising semantics for relaxed-memory concurrency", POPL 2017,
// without its promises). Every location has the list of values stored to it; a thread has a view, the oldest value of
// each location that it may still read; a load takes any value that is not older. A release store carries the thread's
// view, a relaxed one that of its last release fence; an acquire load takes over the view of what it read, a relaxed
// one only when an acquire fence follows. So stores become visible late and in any order that the fences leave open.
// What promises would add is a store that overtakes an earlier load of its own thread; programs whose readers store
// nothing are not concerned. With kSequential every load takes the newest value: plain interleavings.
//
// Limits: a location has one writing thread; programs are deterministic and must end.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/check.h"

namespace model {

inline constexpr std::size_t kLocations = 16;

enum class Strength { kSequential, kWeak };

struct Step {
  enum class Kind : std::uint8_t { kLoad, kStore, kFence, kEnd };
  Kind kind;
  std::size_t location = 0;
  std::uint64_t value = 0;
  std::memory_order order = std::memory_order_relaxed;
};

// Thrown by a program that found what must not be.
struct Violation {
  std::string what;
};

// The run of one thread's program: answers what is known, and stops at what is not.
class Replay {
 public:
  explicit Replay(const std::vector<std::uint64_t>& answers) : answers_(answers) {}

  std::uint64_t step(Step step) {
    if (next_ < answers_.size()) return answers_[next_++];
    throw step;
  }

  static Replay*& running() {
    static thread_local Replay* now = nullptr;
    return now;
  }

 private:
  const std::vector<std::uint64_t>& answers_;
  std::size_t next_ = 0;
};

struct ModelMemory {
  struct Word {
    std::size_t location = 0;
  };

  static std::uint64_t load(const Word& word, std::memory_order order) {
    return Replay::running()->step({Step::Kind::kLoad, word.location, 0, order});
  }
  static void store(const Word& word, std::uint64_t value, std::memory_order order) {
    Replay::running()->step({Step::Kind::kStore, word.location, value, order});
  }
  static void fence(std::memory_order order) { Replay::running()->step({Step::Kind::kFence, 0, 0, order}); }
};

class Explorer {
 public:
  using Program = std::function<void()>;

  Explorer(Strength strength, std::vector<Program> programs) : strength_(strength), programs_(std::move(programs)) {}

  // Whether no run violates anything. Stops at the first that does.
  bool holds() {
    State begin;
    begin.threads.resize(programs_.size());
    for (auto& history : begin.memory) history.push_back({0, {}});
    try {
      std::vector<State> open{begin};
      while (!open.empty()) {
        const State state = std::move(open.back());
        open.pop_back();
        ++states_;
        expand(state, &open);
      }
    } catch (const Violation& violation) {
      violation_ = violation.what;
      return false;
    }
    return true;
  }

  std::size_t states() const { return states_; }
  const std::string& violation() const { return violation_; }

 private:
  using View = std::array<std::uint8_t, kLocations>;

  struct Message {
    std::uint64_t value;
    View view;
  };

  struct Thread {
    View seen{};      // What it may no longer read behind.
    View acquired{};  // What an acquire fence would add.
    View released{};  // What its relaxed stores carry.
    std::vector<std::uint64_t> answers;
    std::string choices;  // Which message each load took: with the answers, all that tells runs apart.
  };

  struct State {
    std::array<std::vector<Message>, kLocations> memory;
    std::vector<Thread> threads;
  };

  static void join(View* view, const View& other) {
    for (std::size_t i = 0; i < kLocations; ++i) (*view)[i] = std::max((*view)[i], other[i]);
  }

  static bool acquires(std::memory_order order) { return order == std::memory_order_acquire; }
  static bool releases(std::memory_order order) { return order == std::memory_order_release; }

  Step next_step(std::size_t number, const Thread& thread) {
    std::string key(1, static_cast<char>('0' + number));
    for (std::uint64_t answer : thread.answers) key.append(reinterpret_cast<const char*>(&answer), sizeof answer);
    const auto known = next_.find(key);
    if (known != next_.end()) return known->second;
    Replay replay(thread.answers);
    Replay::running() = &replay;
    Step next{Step::Kind::kEnd};
    try {
      programs_[number]();
    } catch (const Step& step) {
      next = step;
    }
    next_.emplace(std::move(key), next);
    return next;
  }

  void expand(const State& state, std::vector<State>* open) {
    for (std::size_t number = 0; number < programs_.size(); ++number) {
      const Step step = next_step(number, state.threads[number]);
      if (step.kind == Step::Kind::kEnd) continue;
      if (step.kind != Step::Kind::kLoad) {
        add(state, number, step, 0, open);
        continue;
      }
      const std::size_t newest = state.memory[step.location].size() - 1;
      const std::size_t oldest =
          strength_ == Strength::kSequential ? newest : state.threads[number].seen[step.location];
      for (std::size_t choice = oldest; choice <= newest; ++choice) add(state, number, step, choice, open);
    }
  }

  void add(const State& before, std::size_t number, const Step& step, std::size_t choice, std::vector<State>* open) {
    State after = before;
    Thread& thread = after.threads[number];
    std::vector<Message>& messages = after.memory[step.location];
    std::uint64_t answer = 0;
    if (step.kind == Step::Kind::kLoad) {
      const Message& message = messages[choice];
      answer = message.value;
      thread.seen[step.location] = static_cast<std::uint8_t>(choice);
      join(&thread.acquired, message.view);
      if (acquires(step.order)) join(&thread.seen, message.view);
    } else if (step.kind == Step::Kind::kStore) {
      thread.seen[step.location] = static_cast<std::uint8_t>(messages.size());
      View view = releases(step.order) ? thread.seen : thread.released;
      view[step.location] = thread.seen[step.location];
      messages.push_back({step.value, view});
    } else {
      if (acquires(step.order)) join(&thread.seen, thread.acquired);
      if (releases(step.order)) thread.released = thread.seen;
    }
    thread.answers.push_back(answer);
    thread.choices.push_back(static_cast<char>('0' + choice));
    std::string key;
    for (const Thread& each : after.threads) key += each.choices + '|';
    if (seen_.insert(std::move(key)).second) open->push_back(std::move(after));
  }

  Strength strength_;
  std::vector<Program> programs_;
  std::unordered_map<std::string, Step> next_;
  std::unordered_set<std::string> seen_;
  std::size_t states_ = 0;
  std::string violation_;
};

}  // namespace model
