// Reads the JSON of test/golden: objects, arrays, numbers, strings, true, false, null. Throws on anything else.
#pragma once
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace rectify::test {

struct Json {
  enum class Kind { null, boolean, number, string, array, object } kind = Kind::null;
  double number = 0;
  std::string string;
  std::vector<Json> array;
  std::map<std::string, Json> object;

  bool truth() const { return number != 0; }
  const Json& operator[](const std::string& key) const { return object.at(key); }
  const Json& operator[](size_t i) const { return array.at(i); }
};

class JsonReader {
 public:
  explicit JsonReader(const std::string& text) : p_(text.c_str()) {}

  Json value() {
    Json j;
    skip();
    if (*p_ == '{') {
      j.kind = Json::Kind::object;
      for (take('{'); peek() != '}';) {
        const std::string key = text();
        take(':');
        j.object[key] = value();
        if (peek() == ',') take(',');
      }
      take('}');
    } else if (*p_ == '[') {
      j.kind = Json::Kind::array;
      for (take('['); peek() != ']';) {
        j.array.push_back(value());
        if (peek() == ',') take(',');
      }
      take(']');
    } else if (*p_ == '"') {
      j.kind = Json::Kind::string;
      j.string = text();
    } else if (word("true")) {
      j.kind = Json::Kind::boolean, j.number = 1;
    } else if (word("false")) {
      j.kind = Json::Kind::boolean;
    } else if (!word("null")) {
      char* end = nullptr;
      j.kind = Json::Kind::number;
      j.number = std::strtod(p_, &end);
      if (end == p_) throw std::runtime_error(std::string("json: expected a value, got ") + *p_);
      p_ = end;
    }
    return j;
  }

 private:
  const char* p_;

  void skip() {
    while (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r') p_++;
  }
  char peek() {
    skip();
    return *p_;
  }
  void take(char c) {
    if (peek() != c) throw std::runtime_error(std::string("json: expected ") + c + ", got " + *p_);
    p_++;
  }
  bool word(const char* w) {
    const size_t n = std::char_traits<char>::length(w);
    if (std::char_traits<char>::compare(p_, w, n) != 0) return false;
    p_ += n;
    return true;
  }
  std::string text() {
    std::string s;
    for (take('"'); *p_ != '"'; p_++) {
      if (*p_ == '\\' || *p_ == 0) throw std::runtime_error("json: expected plain text, got an escape or the end");
      s += *p_;
    }
    p_++;
    return s;
  }
};

inline Json read_json(const std::string& file) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("json: expected a file, got none at " + file);
  std::ostringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  return JsonReader(all).value();
}

}  // namespace rectify::test
