// A folder that stands in for the root of a machine's file system, with the files that a test puts there.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

class FakeRoot {
 public:
  FakeRoot() {
    char path[] = "/tmp/latencykit-root-XXXXXX";
    if (mkdtemp(path) == nullptr) std::abort();
    path_ = std::string(path) + "/";
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = path_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};
